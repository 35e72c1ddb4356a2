import TLS
package import Testing

extension Trait where Self == ConditionTrait {
    /// Requires a TLS library. In a build without one (`--disable-default-traits`) the test is skipped, and the output says
    /// why.
    package static var needsTLS: Self {
        .enabled(if: TLSLibrary.isAvailable, "this build has no TLS library: build it with the package trait TLS")
    }

    /// Requires a build without a TLS library.
    package static var lacksTLS: Self {
        .disabled(if: TLSLibrary.isAvailable, "this build has a TLS library: .ci/variants no-tls builds one without")
    }
}

import ArgumentParser
import LoadBalancer

/// Options of the control operations of the HTTP endpoint.
struct AdminAPIOptions: ReusedOptions {
    static let definition = Self(definition: ())

    init(definition: Void) {}

    @Option(ConfigurationFile.Settings.adminTokenFile, named: "file")
    var adminTokenFile: String?

    @Flag(ConfigurationFile.Settings.adminAPI, inversion: .prefixedNo)
    var adminAPI: Bool
}

import Testing

@testable import monkey

@Suite("Banner")
struct BannerTests {
    @Test("the banner is small and ASCII")
    func size() {
        let lines = Banner.text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count <= 6)
        #expect(lines.allSatisfy { $0.count <= 80 })
        #expect(Banner.text.allSatisfy { $0.isASCII })
        #expect(Banner.text.contains(Version.current))
    }
}

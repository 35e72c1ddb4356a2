import Testing

@testable import monkey

@Suite struct BannerTests {
    @Test func isSmallAndPlain() {
        let lines = Banner.text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count <= 6)
        #expect(lines.allSatisfy { $0.count <= 80 })
        #expect(Banner.text.allSatisfy { $0.isASCII })
        #expect(Banner.text.contains(Version.current))
    }
}

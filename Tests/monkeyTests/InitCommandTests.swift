import ArgumentParser
import Glibc
import LoadBalancer
import Testing

@testable import monkey

@Suite("monkey init")
struct InitCommandTests {
    @Test("every sample configuration is valid and has no warnings", arguments: SampleConfiguration.allCases)
    func samples(service: SampleConfiguration) throws {
        let file = try ConfigurationFile(parsing: Array(service.text.utf8))
        #expect(file.warnings.isEmpty)
        #expect(!file.listeners.isEmpty)
        #expect(service.text.split(separator: "\n").allSatisfy { $0.count <= 120 })
    }

    @Test("the file is created once and never overwritten")
    func existingFile() throws {
        let directory = "/tmp/monkey-init-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        try #require(mkdir(directory, 0o700) == 0)
        let path = directory + "/monkey.yaml"
        defer {
            unlink(path)
            rmdir(directory)
        }
        try InitCommand.parse(["redis", "--output", path]).run()
        #expect(try File.read(path) == Array(SampleConfiguration.redis.text.utf8))
        #expect(throws: CommandError.self) { try InitCommand.parse(["http", "--output", path]).run() }
        #expect(try File.read(path) == Array(SampleConfiguration.redis.text.utf8))
    }

    @Test("an unknown kind of service is an error")
    func unknownService() {
        #expect(throws: (any Error).self) { try InitCommand.parse(["mongodb"]) }
    }
}

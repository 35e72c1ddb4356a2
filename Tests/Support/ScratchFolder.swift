import Foundation

/// Passes `body` a new, empty folder with a short path, fit for Unix sockets, and removes it with its contents.
package func withScratchFolder<Value>(_ body: (String) async throws -> Value) async throws -> Value {
    let template = FileManager.default.temporaryDirectory.appendingPathComponent("monkey-XXXXXX").path
    var path = Array(template.utf8CString)
    guard mkdtemp(&path) != nil else { throw SystemFailure("mkdtemp \(template)") }
    let folder = String(decoding: path.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try await body(folder)
}

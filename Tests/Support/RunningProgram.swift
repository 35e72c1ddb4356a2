import CLinux
import Foundation
import Glibc
import Synchronization
package import Testing

/// A program started by a test: its output is read line by line, its exit is awaited, and its lifetime is bounded by
/// ``withProgram(_:_:)``.
package final class RunningProgram: Sendable {
    /// The way in which a process ended.
    package enum Exit: Equatable, Sendable {
        case code(Int32)
        case signal(Int32)
    }

    package let processID: Int32
    private let output: LineCollector
    private let errors: LineCollector
    private let exit = Mutex<Exit?>(nil)

    fileprivate init(_ command: [String], inheriting descriptors: [Int32]) throws {
        let (outputReader, outputWriter) = try makePipe()
        let (errorReader, errorWriter) = try makePipe()
        defer {
            Glibc.close(outputWriter)
            Glibc.close(errorWriter)
        }
        do {
            processID = try spawn(
                command,
                standardOutput: outputWriter,
                standardError: errorWriter,
                inheriting: descriptors
            )
        } catch {
            Glibc.close(outputReader)
            Glibc.close(errorReader)
            throw error
        }
        output = LineCollector(reading: outputReader)
        errors = LineCollector(reading: errorReader)
    }

    /// Complete lines of standard output so far.
    package var outputLines: [String] { output.lines }

    /// Complete lines of standard error so far.
    package var errorLines: [String] { errors.lines }

    /// Returns the first line of standard output, past or future, for which `matches` is true.
    ///
    /// - Throws: ``Unexpected`` if the output ends without one, ``TimedOut`` if none comes.
    package func outputLine(
        within limit: Duration = patience,
        at location: SourceLocation = #_sourceLocation,
        where matches: (String) -> Bool
    ) throws -> String {
        var looked = 0
        return try waited(for: "matching output line in \(outputLines)", within: limit, at: location) {
            let ended = output.hasEnded
            // A program may write tens of thousands of lines, so each is examined only once.
            let new = output.lines(from: looked)
            if let line = new.first(where: matches) { return line }
            looked += new.count
            if ended {
                throw Unexpected("the output ended: \(outputLines), errors: \(errorLines)", at: location)
            }
            return nil
        }
    }

    /// Returns the text after `prefix` on the first line of standard output that begins with it.
    package func output(
        after prefix: String,
        within limit: Duration = patience,
        at location: SourceLocation = #_sourceLocation
    ) throws -> String {
        let line = try outputLine(within: limit, at: location) { $0.hasPrefix(prefix) }
        return String(line.dropFirst(prefix.count))
    }

    /// Stops reading standard output until ``resumeOutput()``, so that a program that keeps writing fills its pipe.
    package func pauseOutput() { output.flow = .paused }

    package func resumeOutput() { output.flow = .flowing }

    /// Closes this end of standard output: later writes of the program meet a closed pipe.
    package func closeOutput(at location: SourceLocation = #_sourceLocation) throws {
        output.flow = .closed
        _ = try waited(for: "end of the output", within: patience, at: location) { output.hasEnded ? true : nil }
    }

    package func signal(_ number: Int32) throws {
        // After waitpid the process ID may have been reused.
        try exit.withLock { exit in
            guard exit == nil else { throw SystemFailure("kill", code: ESRCH) }
            try retried("kill") { kill(processID, number) }
        }
    }

    /// Whether the process is still running.
    package var isRunning: Bool {
        get throws { try reap(waiting: false) == nil }
    }

    /// Waits for the exit and for the end of the output.
    @discardableResult
    package func waitForExit(
        within limit: Duration = patience,
        at location: SourceLocation = #_sourceLocation
    ) throws -> Exit {
        let exit = try waited(for: "end of process \(processID)", within: limit, at: location) {
            try reap(waiting: false)
        }
        _ = try waited(for: "end of the output", within: limit, at: location) {
            output.hasEnded && errors.hasEnded ? true : nil
        }
        return exit
    }

    fileprivate func stop() {
        try? signal(SIGKILL)
        _ = try? reap(waiting: true)
    }

    private func reap(waiting: Bool) throws -> Exit? {
        try exit.withLock { exit in
            if let exit { return exit }
            var status: Int32 = 0
            guard try retried("waitpid", { waitpid(processID, &status, waiting ? 0 : WNOHANG) }) > 0 else { return nil }
            // The macros of wait(2) do not reach Swift: the low seven bits are the signal, the next byte is the code.
            exit = status & 0x7f == 0 ? .code(status >> 8 & 0xff) : .signal(status & 0x7f)
            return exit
        }
    }
}

/// Starts a program, passes it to `body`, and kills it at the end if it still runs.
///
/// - Parameters:
///   - command: the program, as an absolute path or a name to be found in PATH, and its arguments.
///   - descriptors: descriptors of which the program gets duplicates, with the numbers from 3 on.
package func withProgram<Value>(
    _ command: [String],
    inheriting descriptors: [Int32] = [],
    _ body: (RunningProgram) async throws -> Value
) async throws -> Value {
    let program = try RunningProgram(command, inheriting: descriptors)
    defer { program.stop() }
    return try await body(program)
}

/// Held while a program is being started. Recursive, because code that holds it may close sockets, which takes it
/// again.
private let starting = NSRecursiveLock()

/// Excludes program starts while `body` runs: until it has called exec, a starting program has copies of all
/// descriptors of the tests, and what they close during that time is closed a moment later.
package func whileNoProgramStarts<Value>(_ body: () throws -> Value) rethrows -> Value {
    try starting.withLock(body)
}

/// Runs a program until it exits.
package func runToEnd(
    _ command: [String],
    inheriting descriptors: [Int32] = [],
    within limit: Duration = patience,
    at location: SourceLocation = #_sourceLocation
) async throws -> (exit: RunningProgram.Exit, output: [String], errors: [String]) {
    try await withProgram(command, inheriting: descriptors) { program in
        let exit = try program.waitForExit(within: limit, at: location)
        return (exit, program.outputLines, program.errorLines)
    }
}

/// A reader of a descriptor on a dedicated thread, so that the writer never blocks; keeps the lines.
private final class LineCollector: Sendable {
    enum Flow {
        case flowing, paused, closed
    }

    fileprivate struct State {
        var lines: [String] = []
        var unfinished: [UInt8] = []
        var hasEnded = false
        var flow = Flow.flowing
    }

    private let state = Mutex(State())

    /// Takes ownership of the descriptor.
    init(reading descriptor: Int32) {
        Thread.detachNewThread { [self] in
            collect(from: descriptor)
            Glibc.close(descriptor)
            state.withLock { $0.hasEnded = true }
        }
    }

    var lines: [String] { lines(from: 0) }

    func lines(from index: Int) -> [String] { state.withLock { Array($0.lines[index...]) } }

    var hasEnded: Bool { state.withLock { $0.hasEnded } }

    var flow: Flow {
        get { state.withLock { $0.flow } }
        set { state.withLock { $0.flow = newValue } }
    }

    private func collect(from descriptor: Int32) {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while flow != .closed {
            var awaited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard flow == .flowing, poll(&awaited, 1, 5) > 0 else {
                if flow == .paused { usleep(5_000) }
                continue
            }
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            state.withLock { $0.take(buffer[..<count]) }
        }
        state.withLock { $0.takeUnfinished() }
    }
}

extension LineCollector.State {
    fileprivate mutating func take(_ bytes: ArraySlice<UInt8>) {
        unfinished += bytes
        guard let lastNewline = unfinished.lastIndex(of: UInt8(ascii: "\n")) else { return }
        lines += unfinished[..<lastNewline].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        unfinished.removeSubrange(...lastNewline)
    }

    /// Takes a last line without a newline as a line.
    fileprivate mutating func takeUnfinished() {
        if !unfinished.isEmpty { lines.append(String(decoding: unfinished, as: UTF8.self)) }
        unfinished = []
    }
}

private func makePipe() throws -> (reader: Int32, writer: Int32) {
    var ends: [Int32] = [0, 0]
    try retried("pipe2") { pipe2(&ends, O_CLOEXEC) }
    return (ends[0], ends[1])
}

private func spawn(
    _ command: [String],
    standardOutput: Int32,
    standardError: Int32,
    inheriting descriptors: [Int32]
) throws -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    // All other descriptors are close-on-exec: a test's socket left open in a child would keep its FIN from being sent.
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, standardOutput, 1)
    posix_spawn_file_actions_adddup2(&actions, standardError, 2)
    // Duplicates above all targets, so that no target replaces a descriptor that is still to be passed.
    var copies: [Int32] = []
    defer { for copy in copies { Glibc.close(copy) } }
    for descriptor in descriptors {
        copies.append(try retried("fcntl") { fcntl(descriptor, F_DUPFD_CLOEXEC, 512) })
    }
    for (index, copy) in copies.enumerated() {
        posix_spawn_file_actions_adddup2(&actions, copy, 3 + Int32(index))
    }
    // A test runner may block signals in its threads or ignore SIGPIPE, and a child would inherit both.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    for number in [SIGPIPE, SIGINT, SIGTERM, SIGHUP] { sigaddset(&signals, number) }
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    var words: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
    words.append(nil)
    defer { for word in words { free(word) } }
    var processID: Int32 = 0
    let code = starting.withLock { posix_spawnp(&processID, command[0], &actions, &attributes, words, environ) }
    guard code == 0 else { throw SystemFailure("posix_spawn \(command[0])", code: code) }
    return processID
}

import Foundation
import Glibc

/// A running process as shown by /proc.
package struct ProcessView: Sendable {
    package struct ThreadView: Sendable {
        package let name: String
        /// Voluntary context switches of the thread, which equal its wakeups.
        package let voluntarySwitches: Int
    }

    package let processID: Int32

    package init(_ processID: Int32) {
        self.processID = processID
    }

    /// Number of open sockets and pipes.
    ///
    /// Other descriptors are not counted: the runtime opens its timers, signals and polls on first use, so their number
    /// is unrelated to connections. Nor are pipes to a child process, such as the symbolizer that a sanitizer starts.
    package var socketCount: Int {
        get throws { try count(["socket:", "pipe:"]) }
    }

    /// Number of sockets among them.
    package var socketsWithoutPipes: Int {
        get throws { try count(["socket:"]) }
    }

    /// Number of pipes among them.
    package var pipeCount: Int {
        get throws { try count(["pipe:"]) }
    }

    private func count(_ kinds: [String]) throws -> Int {
        let ofChildren = try children.flatMap { child in [0, 1].compactMap { child.target(of: "\($0)") } }
        return try FileManager.default.contentsOfDirectory(atPath: "/proc/\(processID)/fd").count { descriptor in
            // It may be closed during the scan.
            guard let target = target(of: descriptor), !ofChildren.contains(target) else { return false }
            return kinds.contains { target.hasPrefix($0) }
        }
    }

    private func target(of descriptor: String) -> String? {
        try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(processID)/fd/\(descriptor)")
    }

    private var children: [ProcessView] {
        get throws {
            let folder = "/proc/\(processID)/task"
            return try FileManager.default.contentsOfDirectory(atPath: folder).flatMap { thread in
                // A thread may end during the scan.
                let text = try? textOfSystemFile("\(folder)/\(thread)/children")
                return (text ?? "").split(separator: " ").compactMap { Int32($0) }.map { ProcessView($0) }
            }
        }
    }

    /// Whether all of its threads are stopped, which takes some time after SIGSTOP.
    package var isStopped: Bool {
        get throws {
            let folder = "/proc/\(processID)/task"
            return try FileManager.default.contentsOfDirectory(atPath: folder).allSatisfy { thread in
                // The state follows the name in parentheses (proc(5)). A thread may end during the scan.
                guard let text = try? textOfSystemFile("\(folder)/\(thread)/stat") else { return true }
                return text.split(separator: ")").last?.hasPrefix(" T") == true
            }
        }
    }

    /// Resident private memory in bytes: heap and stacks, no files. RssAnon in proc(5).
    package var anonymousMemory: Int {
        get throws { try kibibytes("RssAnon") * 1024 }
    }

    package var threads: [ThreadView] {
        get throws {
            let folder = "/proc/\(processID)/task"
            return try FileManager.default.contentsOfDirectory(atPath: folder).compactMap { thread in
                // A thread may end during the scan.
                guard let fields = try? statusFields("\(folder)/\(thread)/status"),
                    let switches = fields["voluntary_ctxt_switches"].flatMap({ Int($0) })
                else { return nil }
                return ThreadView(name: fields["Name"] ?? "", voluntarySwitches: switches)
            }
        }
    }

    /// Total number of wakeups of its threads.
    package var wakeUps: Int {
        get throws { try threads.reduce(0) { $0 + $1.voluntarySwitches } }
    }

    /// CPU time used so far, user and system, in units of a clock tick (10 ms).
    package var processorTime: Duration {
        get throws {
            let text = try textOfSystemFile("/proc/\(processID)/stat")
            // The name, which may contain anything, ends with the last parenthesis; utime and stime are fields 14 and
            // 15.
            guard let nameEnd = text.lastIndex(of: ")") else { throw SystemFailure("/proc stat", code: EINVAL) }
            let fields = text[nameEnd...].split(separator: " ")
            guard fields.count > 13, let user = Int(fields[12]), let system = Int(fields[13]) else {
                throw SystemFailure("/proc stat", code: EINVAL)
            }
            return .milliseconds((user + system) * 1000 / sysconf(Int32(_SC_CLK_TCK)))
        }
    }

    /// The soft limit of open descriptors.
    package var softDescriptorLimit: Int? {
        get throws {
            try textOfSystemFile("/proc/\(processID)/limits")
                .split(separator: "\n").first { $0.hasPrefix("Max open files") }?
                .split(separator: " ").dropFirst(3).first.flatMap { Int($0) }
        }
    }

    private func kibibytes(_ name: String) throws -> Int {
        let value = try statusFields("/proc/\(processID)/status")[name]
        guard let number = value?.split(separator: " ").first.flatMap({ Int($0) }) else {
            throw SystemFailure("/proc status \(name)", code: EINVAL)
        }
        return number
    }

    private func statusFields(_ path: String) throws -> [String: String] {
        let lines = try textOfSystemFile(path).split(separator: "\n")
        return lines.reduce(into: [:]) { fields, line in
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 { fields[String(parts[0])] = parts[1].trimmingCharacters(in: .whitespaces) }
        }
    }
}

/// Raises this process's limit of open descriptors to the maximum that the system allows.
package func raiseDescriptorLimit() throws {
    var limits = rlimit()
    try retried("getrlimit") { getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits) }
    limits.rlim_cur = limits.rlim_max
    try retried("setrlimit") { setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits) }
}

/// Returns the whole text of a file that the kernel generates as it is read, such as those in /proc.
///
/// Foundation treats the first short read as the end, and these files are read in many short reads.
package func textOfSystemFile(_ path: String) throws -> String {
    let descriptor = try retried("open \(path)") { open(path, O_RDONLY | O_CLOEXEC) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
        let count = try retried("read \(path)") { read(descriptor, &buffer, buffer.count) }
        if count == 0 { return String(decoding: bytes, as: UTF8.self) }
        bytes += buffer[..<count]
    }
}

import Glibc
import Synchronization

/// A user and a group that a process started by root becomes, when all that only root may do is done.
public struct ProcessOwner: Sendable, Hashable {
    /// Nil stays the user that it is.
    private let user: UserEntry?
    private let groupID: gid_t

    private struct UserEntry: Hashable {
        var name: String
        var id: uid_t
    }

    private static let gaveUpRoot = Atomic(false)

    /// Whether this process was root's, and is no longer.
    public static var hasGivenUpRoot: Bool { gaveUpRoot.load(ordering: .relaxed) }

    /// The longest entry of the system's tables of users and groups.
    private static let longestEntry = 1 << 16

    /// Looks up who that is; nil for nobody, who is whoever the process is.
    ///
    /// - Parameters:
    ///   - user: a name or a number.
    ///   - group: a name or a number; nil is the user's own group.
    /// - Throws: ``ProcessOwnerError``.
    public init?(user: String?, group: String?) throws(ProcessOwnerError) {
        guard user != nil || group != nil else { return nil }
        let found = try user.map { name throws(ProcessOwnerError) in try Self.lookUp(user: name) }
        self.user = found.map { UserEntry(name: $0.name, id: $0.id) }
        if let group {
            groupID = try Self.lookUp(group: group)
        } else {
            groupID = found?.group ?? getegid()
        }
    }

    /// Becomes that user and group, in all threads and for good.
    ///
    /// - Throws: ``ProcessOwnerError``; then the process may be half of what it was, and should end.
    public func assume() throws(ProcessOwnerError) {
        let wasRoot = geteuid() == 0
        guard wasRoot || !isAssumed else { return }
        guard wasRoot else { throw .notRoot(self.description) }
        // The groups first, and the user last: whoever is no longer root may change neither. Done by root, these set all of a
        // process's identities, and glibc has all threads do it (setuid(2), nptl(7)).
        let groups: Int32
        if let user, getpwuid(user.id) != nil {
            groups = initgroups(user.name, groupID)
        } else {
            groups = withUnsafePointer(to: groupID) { setgroups(1, $0) }
        }
        guard groups == 0 else { throw .refused("set the groups of \(self)", SystemError(code: errno)) }
        guard setgid(groupID) == 0 else {
            throw .refused("become group \(groupID)", SystemError(code: errno))
        }
        guard let user else { return }
        guard setuid(user.id) == 0 else {
            throw .refused("become user \(user.name)", SystemError(code: errno))
        }
        guard user.id != 0 else { return }
        // If root can be had back, it was not given up.
        guard setuid(0) != 0, seteuid(0) != 0, isAssumed, !hasOtherThreads else { throw .stillRoot }
        Self.gaveUpRoot.store(true, ordering: .relaxed)
    }

    private var isAssumed: Bool {
        if let user, getuid() != user.id || geteuid() != user.id { return false }
        return getgid() == groupID && getegid() == groupID
    }

    /// Whether a thread is still somebody else's: glibc passes over those that are about to end.
    private var hasOtherThreads: Bool {
        guard let user, let tasks = opendir("/proc/self/task") else { return true }
        defer { closedir(tasks) }
        while let entry = readdir(tasks) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            // A thread that has ended meanwhile has no status.
            guard !name.hasPrefix("."), let status = fopen("/proc/self/task/\(name)/status", "r") else { continue }
            defer { fclose(status) }
            var line = [CChar](repeating: 0, count: 256)
            while fgets(&line, Int32(line.count), status) != nil {
                let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
                let words = text.split(whereSeparator: \.isWhitespace)
                guard words.first == "Uid:" else { continue }
                if words.dropFirst().contains(where: { $0 != "\(user.id)" }) { return true }
                break
            }
        }
        return false
    }

    // MARK: The system's tables

    private static func lookUp(
        user name: String
    ) throws(ProcessOwnerError) -> (name: String, id: uid_t, group: gid_t) {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var text = [CChar](repeating: 0, count: longestEntry)
        var error = getpwnam_r(name, &entry, &text, text.count, &found)
        if found == nil, let id = number(name) {
            error = getpwuid_r(id, &entry, &text, text.count, &found)
            // A number needs no name; its group is the one of the same number then.
            if found == nil { return (name, id, id) }
        }
        guard let found else { throw .unknownUser(name, error == 0 ? nil : SystemError(code: error)) }
        return (String(cString: found.pointee.pw_name), found.pointee.pw_uid, found.pointee.pw_gid)
    }

    private static func lookUp(group name: String) throws(ProcessOwnerError) -> gid_t {
        var entry = group()
        var found: UnsafeMutablePointer<group>?
        var text = [CChar](repeating: 0, count: longestEntry)
        let error = getgrnam_r(name, &entry, &text, text.count, &found)
        if let found { return found.pointee.gr_gid }
        guard let id = number(name) else { throw .unknownGroup(name, error == 0 ? nil : SystemError(code: error)) }
        return id
    }

    /// The last number stands for "leave it as it is" (setresuid(2)), and is nobody's.
    private static func number(_ text: String) -> UInt32? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt32(text), number < .max else {
            return nil
        }
        return number
    }
}

extension ProcessOwner: CustomStringConvertible {
    /// `user nobody, group 65534`.
    public var description: String {
        let group = "group \(groupID)"
        return user.map { "user \($0.name), \(group)" } ?? group
    }
}

/// Why a process cannot become another user's.
public enum ProcessOwnerError: Error, Hashable, Sendable {
    case unknownUser(String, SystemError?)
    case unknownGroup(String, SystemError?)
    case notRoot(String)
    case refused(String, SystemError)
    case stillRoot
}

extension ProcessOwnerError: CustomStringConvertible {
    /// One sentence that names what was wrong and how to mend it.
    public var description: String {
        switch self {
        case .unknownUser(let name, let error):
            "there is no user '\(name)'\(Self.detail(error)): write a user of this machine, or a number"
        case .unknownGroup(let name, let error):
            "there is no group '\(name)'\(Self.detail(error)): write a group of this machine, or a number"
        case .notRoot(let owner):
            "only root can become \(owner): start it as root, or leave the user and the group out"
        case .refused(let what, let error):
            "the system did not let root \(what): \(error)"
        case .stillRoot:
            "root was given up and could be had back: it is not safe to go on"
        }
    }

    private static func detail(_ error: SystemError?) -> String { error.map { " (\($0))" } ?? "" }
}

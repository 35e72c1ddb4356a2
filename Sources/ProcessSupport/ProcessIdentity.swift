import Glibc
public import Sockets
import Synchronization

/// The user and the group to which a process started by root switches after all privileged setup is done.
public struct ProcessIdentity: Sendable, Hashable {
    /// The user to switch to; nil keeps the current user.
    private let user: UserEntry?
    private let groupID: gid_t

    private struct UserEntry: Hashable {
        var name: String
        var id: uid_t
    }

    private static let droppedRoot = Atomic(false)

    /// Whether this process was started as root and has dropped its root privileges.
    public static var hasDroppedRoot: Bool { droppedRoot.load(ordering: .relaxed) }

    /// The maximum size of an entry of the system's user and group databases, in bytes.
    private static let maxEntryLength = 1 << 16

    /// Looks up the user and the group; returns nil if neither is given, so that the process keeps its identity.
    ///
    /// - Parameters:
    ///   - user: A name or a numeric ID.
    ///   - group: A name or a numeric ID; nil selects the user's primary group.
    /// - Throws: ``ProcessIdentityError``.
    public init?(user: String?, group: String?) throws(ProcessIdentityError) {
        guard user != nil || group != nil else { return nil }
        let found = try user.map { name throws(ProcessIdentityError) in try Self.lookUp(user: name) }
        self.user = found.map { UserEntry(name: $0.name, id: $0.id) }
        if let group {
            groupID = try Self.lookUp(group: group)
        } else {
            groupID = found?.group ?? getegid()
        }
    }

    /// Switches permanently to the user and the group, in all threads.
    ///
    /// - Throws: ``ProcessIdentityError``. The switch may then be incomplete, so the process should exit.
    public func dropPrivileges() throws(ProcessIdentityError) {
        let wasRoot = geteuid() == 0
        guard wasRoot || !isAssumed else { return }
        guard wasRoot else { throw .notRoot(self.description) }
        // The groups first and the user last, because only root may change either. Called by root, these calls set all
        // IDs of the process (real, effective and saved), and glibc applies them to all threads (setuid(2), nptl(7)).
        let groups: Int32
        if let user, getpwuid(user.id) != nil {
            groups = initgroups(user.name, groupID)
        } else {
            groups = withUnsafePointer(to: groupID) { setgroups(1, $0) }
        }
        guard groups == 0 else { throw .refused("set the groups of \(self)", SystemError(code: errno)) }
        guard setgid(groupID) == 0 else {
            throw .refused("switch to group \(groupID)", SystemError(code: errno))
        }
        guard let user else { return }
        guard setuid(user.id) == 0 else {
            throw .refused("switch to user \(user.name)", SystemError(code: errno))
        }
        guard user.id != 0 else { return }
        // If root privileges can be regained, they were not dropped.
        guard setuid(0) != 0, seteuid(0) != 0, isAssumed, !hasOtherThreads else { throw .stillRoot }
        Self.droppedRoot.store(true, ordering: .relaxed)
    }

    /// Returns whether a switch to this user gives up root privileges; false without a user.
    public static func dropsPrivileges(user: String?) -> Bool {
        guard let user else { return false }
        return (try? userID(user)) != 0
    }

    /// Returns the ID of a user, by name or number.
    ///
    /// - Throws: ``ProcessIdentityError/unknownUser(_:_:)``.
    public static func userID(_ name: String) throws(ProcessIdentityError) -> UInt32 { try lookUp(user: name).id }

    /// Returns the ID of a group, by name or number.
    ///
    /// - Throws: ``ProcessIdentityError/unknownGroup(_:_:)``.
    public static func groupID(_ name: String) throws(ProcessIdentityError) -> UInt32 { try lookUp(group: name) }

    /// Returns the ID of the primary group of a user, by name or number.
    ///
    /// - Throws: ``ProcessIdentityError/unknownUser(_:_:)``.
    public static func primaryGroupID(ofUser name: String) throws(ProcessIdentityError) -> UInt32 {
        try lookUp(user: name).group
    }

    private var isAssumed: Bool {
        if let user, getuid() != user.id || geteuid() != user.id { return false }
        return getgid() == groupID && getegid() == groupID
    }

    /// Whether a thread still runs as another user: glibc skips threads that are about to exit.
    private var hasOtherThreads: Bool {
        guard let user, let tasks = opendir("/proc/self/task") else { return true }
        defer { closedir(tasks) }
        while let entry = readdir(tasks) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            // A thread that has exited since has no status file.
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

    // MARK: User and group lookup

    private static func lookUp(
        user name: String
    ) throws(ProcessIdentityError) -> (name: String, id: uid_t, group: gid_t) {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var text = [CChar](repeating: 0, count: maxEntryLength)
        var error = getpwnam_r(name, &entry, &text, text.count, &found)
        if found == nil, let id = number(name) {
            error = getpwuid_r(id, &entry, &text, text.count, &found)
            // A numeric ID does not need an entry; the group ID then equals the user ID.
            if found == nil { return (name, id, id) }
        }
        guard let found else { throw .unknownUser(name, error == 0 ? nil : SystemError(code: error)) }
        return (String(cString: found.pointee.pw_name), found.pointee.pw_uid, found.pointee.pw_gid)
    }

    private static func lookUp(group name: String) throws(ProcessIdentityError) -> gid_t {
        var entry = group()
        var found: UnsafeMutablePointer<group>?
        var text = [CChar](repeating: 0, count: maxEntryLength)
        let error = getgrnam_r(name, &entry, &text, text.count, &found)
        if let found { return found.pointee.gr_gid }
        guard let id = number(name) else { throw .unknownGroup(name, error == 0 ? nil : SystemError(code: error)) }
        return id
    }

    /// Parses a numeric ID. The maximum value is excluded: it means "leave unchanged" (setresuid(2)) and is not a valid
    /// ID.
    private static func number(_ text: String) -> UInt32? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt32(text), number < .max else {
            return nil
        }
        return number
    }
}

extension ProcessIdentity: CustomStringConvertible {
    /// `user nobody, group 65534`.
    public var description: String {
        let group = "group \(groupID)"
        return user.map { "user \($0.name), \(group)" } ?? group
    }
}

/// The reason why a process cannot switch to another user or group.
public enum ProcessIdentityError: Error, Hashable, Sendable {
    case unknownUser(String, SystemError?)
    case unknownGroup(String, SystemError?)
    case notRoot(String)
    case refused(String, SystemError)
    case stillRoot
}

extension ProcessIdentityError: CustomStringConvertible {
    /// One sentence that states what failed and how to fix it.
    public var description: String {
        switch self {
        case .unknownUser(let name, let error):
            "unknown user '\(name)'\(Self.detail(error)): use the name of a user of this machine, or a numeric ID"
        case .unknownGroup(let name, let error):
            "unknown group '\(name)'\(Self.detail(error)): use the name of a group of this machine, or a numeric ID"
        case .notRoot(let owner): "only root can switch to \(owner): start as root, or omit the user and the group"
        case .refused(let what, let error): "cannot \(what): \(error)"
        case .stillRoot: "privileges were dropped but can be regained; refusing to continue"
        }
    }

    private static func detail(_ error: SystemError?) -> String { error.map { " (\($0))" } ?? "" }
}

import ProcessSupport
import Sockets

// The file of a Unix socket: its default permissions and their validation.

extension ListenerConfiguration {
    /// Whether the address has a file.
    package var hasSocketFile: Bool {
        guard case .socket(.unix(let path)) = address else { return false }
        return !SocketAddress.unix(path: path).isAbstract
    }

    /// Gives the file to the user and the group that the process switches to, with access for that group, as far as
    /// nothing else is set: the file that root creates would otherwise be writable by root only.
    package mutating func applySocketFileDefaults(user: String?, group: String?) {
        guard hasSocketFile, user != nil || group != nil else { return }
        if socketFile.mode == nil { socketFile.mode = 0o660 }
        if socketFile.owner == nil { socketFile.owner = user }
        if socketFile.group == nil {
            socketFile.group = group
            // A user without an entry has the group of the same number.
            if group == nil, let user, let primary = try? ProcessIdentity.primaryGroupID(ofUser: user) {
                socketFile.group = "\(primary)"
            }
        }
    }

    /// Resolves the permissions of the file.
    ///
    /// - Throws: ``ProxyError/badSetting(name:value:allowed:)``.
    func socketPermissions() throws(ProxyError) -> UnixSocketPermissions {
        var permissions = UnixSocketPermissions()
        guard socketFile != SocketFile() else { return permissions }
        guard hasSocketFile else {
            throw .badSetting(
                name: "mode, owner or group of the socket",
                value: "\(address)",
                allowed: "set only for a unix: address with a file"
            )
        }
        if let mode = socketFile.mode {
            guard (0...0o777).contains(mode) else {
                throw .badSetting(name: "mode", value: String(mode, radix: 8), allowed: "0000 to 0777")
            }
            permissions.mode = UInt32(mode)
        }
        do throws(ProcessIdentityError) {
            if let owner = socketFile.owner { permissions.owner = try ProcessIdentity.userID(owner) }
            if let group = socketFile.group { permissions.group = try ProcessIdentity.groupID(group) }
        } catch {
            throw .socketFile(error, listener: name)
        }
        return permissions
    }
}

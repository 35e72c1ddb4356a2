public import CLinux
import Glibc

// Sockets: listen, accept, connect, options and close.

extension LinuxSystem {
    public mutating func listen(
        at address: SocketAddress,
        options: ListenOptions
    ) throws(SystemError) -> Descriptor {
        do throws(SystemError) {
            return try open(at: address, options)
        } catch {
            // In many containers IPv6 is switched off. All interfaces are then those of IPv4.
            guard error.isIPv6Unavailable, let ipv4 = address.ipv4Fallback else { throw error }
            return try open(at: ipv4, options)
        }
    }

    private mutating func open(
        at address: SocketAddress,
        _ options: ListenOptions
    ) throws(SystemError) -> Descriptor {
        var raw = RawAddress(address)
        let descriptor = try Self.socket(family: raw.family)
        do throws(SystemError) {
            if !raw.isUnix {
                try Self.set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
                if options.sharing == .portMember { try Self.set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
                if raw.family == AF_INET6 { try Self.set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
                try Self.apply(options.connection, to: descriptor)
            }
            try Self.check(linux_bind(descriptor.number, &raw.address))
            if case .unix(let path) = address { try Self.setPermissions(options.permissions, of: path) }
            // The socket was bound without SO_REUSEPORT, so that an address in use is reported even if it could be
            // shared. Setting the option now allows the process's other workers to share the address.
            if options.sharing == .portOwner, !raw.isUnix {
                try Self.set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1)
            }
            try Self.check(linux_listen(descriptor.number, Int32(clamping: options.backlog)))
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Sets the permissions of the file of a socket that was just bound; removes the file if that fails.
    private static func setPermissions(_ permissions: UnixSocketPermissions, of path: String) throws(SystemError) {
        guard !SocketAddress.unix(path: path).isAbstract else { return }
        do throws(SystemError) {
            try permissions.apply(to: path)
        } catch {
            unlink(path)
            throw error
        }
    }

    public mutating func localAddress(of descriptor: borrowing Descriptor) throws(SystemError) -> SocketAddress {
        var raw = RawAddress()
        try Self.check(linux_local_address(descriptor.number, &raw.address))
        return raw.socketAddress
    }

    public mutating func adjust(_ listener: borrowing Descriptor, to options: ListenOptions) {
        // A second listen(2) only changes the backlog.
        _ = linux_listen(listener.number, Int32(clamping: options.backlog))
        if options.connection.keepAlive == nil { try? Self.set(listener, SOL_SOCKET, SO_KEEPALIVE, 0) }
        if options.connection.tcpUserTimeout == nil { try? Self.set(listener, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, 0) }
        try? Self.apply(options.connection, to: listener)
        if case .unix(let path) = try? localAddress(of: listener), !SocketAddress.unix(path: path).isAbstract {
            try? options.permissions.apply(to: path)
        }
    }

    /// Drops SYNs: the client's kernel retransmits the SYN a second later and reaches the next listener on the port, or
    /// is refused. A Unix socket has no handshake. If the kernel rejects the filter, the call has no effect and
    /// listening still ends with the close.
    public mutating func stopHandshakes(on listener: borrowing Descriptor) {
        _ = linux_drop_syns(listener.number)
    }

    @inlinable
    public mutating func accept(from listener: borrowing Descriptor) -> AcceptResult {
        var raw = RawAddress()
        while true {
            let result = linux_accept(listener.number, &raw.address)
            if result >= 0 { return .connection(Descriptor(adopting: Int32(result)), peer: raw.peer) }
            if result == -Int64(EAGAIN) { return .wouldBlock }
            if result != -Int64(EINTR) { return .failed(SystemError(result: result)) }
        }
    }

    public mutating func connect(
        to address: borrowing RawAddress,
        from source: borrowing RawAddress?,
        options: borrowing SocketOptions
    ) throws(SystemError) -> Descriptor {
        let descriptor = try Self.socket(family: address.family)
        do throws(SystemError) {
            if !address.isUnix {
                try Self.apply(options, to: descriptor)
                // The first data carries the acknowledgment of the handshake, which saves a separate ACK. If there is
                // no data to send, `sendDelayedACK(on:)` sends it; the system would delay it by 200 ms.
                try Self.set(descriptor, Int32(IPPROTO_TCP), TCP_QUICKACK, 0)
                if var source = copy source, source.family == address.family {
                    // Selects the port at connect(2), where the destination is part of the key: about 28,000 ports per
                    // destination instead of 28,000 in total (ip(7), IP_BIND_ADDRESS_NO_PORT).
                    try Self.set(descriptor, Int32(IPPROTO_IP), 24, 1)
                    try Self.check(linux_bind(descriptor.number, &source.address))
                }
            }
            var target = copy address
            let result = linux_connect(descriptor.number, &target.address)
            if result < 0, result != -Int64(EINPROGRESS), result != -Int64(EINTR) {
                throw SystemError(result: result)
            }
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    public mutating func mayConnectToItself(_ address: borrowing RawAddress) -> Bool {
        if address.isUnix { return false }
        // The port has the same offset in both families' structures.
        return localPorts.contains(UInt16(bigEndian: address.address.v4.sin_port))
    }

    public mutating func isConnectedToItself(_ descriptor: borrowing Descriptor) -> Bool {
        var local = RawAddress()
        var peer = RawAddress()
        guard linux_local_address(descriptor.number, &local.address) >= 0,
            linux_peer_address(descriptor.number, &peer.address) >= 0,
            case .internet(let from) = local.peer, case .internet(let to) = peer.peer
        else { return false }
        return from.port == to.port && from.high == to.high && from.low == to.low
    }

    public mutating func takeError(of descriptor: borrowing Descriptor) -> SystemError? {
        var code: Int32 = 0
        let result = linux_get_option(descriptor.number, SOL_SOCKET, SO_ERROR, &code)
        if result < 0 { return SystemError(result: result) }
        return code == 0 ? nil : SystemError(code: code)
    }

    @inlinable
    public mutating func close(_ descriptor: consuming Descriptor) {
        // close(2) releases the number even if it reports an error, so the error is ignored.
        linux_close(descriptor.release())
    }

    public mutating func abort(_ descriptor: consuming Descriptor) {
        let number = descriptor.release()
        linux_abort_on_close(number)
        linux_close(number)
    }

    public mutating func sendDelayedACK(on descriptor: borrowing Descriptor) {
        linux_set_option(descriptor.number, Int32(IPPROTO_TCP), TCP_QUICKACK, 1)
    }

    public mutating func keepAlive(_ keepAlive: KeepAlive, on descriptor: borrowing Descriptor) {
        // A connection is relayed even if keepalive cannot be enabled.
        try? Self.apply(keepAlive, to: descriptor)
    }
}

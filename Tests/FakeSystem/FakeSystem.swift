import Glibc
public import Sockets

/// One thread's view of a ``FakeWorld``, which the data plane uses as its kernel.
public struct FakeSystem: System, ~Copyable {
    public let waker: FakeWaker
    public let poller: FakePoller
    public let world: FakeWorld

    /// - Parameters:
    ///   - batch: maximum number of events of one wait.
    ///   - waker: wakes its waits.
    ///   - wakerToken: the token under which a wake-up is reported.
    public init(in world: FakeWorld, batch: Int = 256, waker: FakeWaker = FakeWaker(), wakerToken: Token) {
        self.world = world
        self.waker = waker
        poller = FakePoller(world, batchLimit: batch, waker: waker, wakerToken: wakerToken)
    }

    public mutating func now() -> Instant { world.clock }

    // MARK: Poller

    public mutating func register(
        _ descriptor: borrowing Descriptor,
        for readiness: Readiness,
        token: Token
    ) -> SystemError? {
        world.note(.register(descriptor.number))
        if let error = world.faults.error(of: .register) { return error }
        guard let file = world.file(descriptor.number, for: "register") else { return nil }
        if file.interest != nil {
            world.report("register of descriptor \(descriptor.number), which is already registered")
        }
        poller.watch(file, for: readiness, token: token)
        return nil
    }

    public mutating func modify(
        _ descriptor: borrowing Descriptor,
        for readiness: Readiness,
        token: Token
    ) -> SystemError? {
        world.note(.modify(descriptor.number))
        guard let file = world.file(descriptor.number, for: "modify") else { return nil }
        guard let interest = file.interest, interest.poller === poller else {
            world.report("modify of descriptor \(descriptor.number), which is not registered here")
            return SystemError(code: ENOENT)
        }
        interest.change(file, to: readiness, token: token)
        return nil
    }

    public mutating func unregister(_ descriptor: borrowing Descriptor) {
        world.file(descriptor.number, for: "unregister")?.interest = nil
    }

    public mutating func wait(until deadline: Instant?) -> Int {
        world.note(.wait)
        return poller.wait(until: deadline)
    }

    public var mayHaveTimedOut: Bool { poller.mayHaveTimedOut }

    public mutating func readiness(of descriptor: borrowing Descriptor) -> Readiness {
        world.file(descriptor.number, as: FakeFile.self, for: "readiness")?.readiness ?? []
    }

    public mutating func event(_ index: Int) -> PollEvent { poller.batch[index] }

    // MARK: Sockets

    public mutating func listen(
        at address: SocketAddress,
        options: ListenOptions
    ) throws(SystemError) -> Descriptor {
        guard world.canOpen else { throw .tooManyOpenFiles }
        return try world.open(world.listen(at: address, options: options))
    }

    public mutating func localAddress(of descriptor: borrowing Descriptor) throws(SystemError) -> SocketAddress {
        if let address = world.end(of: descriptor.number)?.socket.localAddress { return address }
        guard let listener = world.file(descriptor.number, as: FakeListener.self, for: "localAddress") else {
            throw SystemError(code: EBADF)
        }
        return listener.address
    }

    public mutating func stopHandshakes(on listener: borrowing Descriptor) {
        world.file(listener.number, as: FakeListener.self, for: "stopHandshakes")?.stopHandshakes()
    }

    /// The number is allocated before the queue is read, so without a free one even an empty queue is an error.
    public mutating func accept(from listener: borrowing Descriptor) -> AcceptResult {
        world.note(.accept(listener.number))
        guard let queue = world.file(listener.number, as: FakeListener.self, for: "accept") else {
            return .failed(SystemError(code: EBADF))
        }
        if let error = world.faults.error(of: .accept) { return .failed(error) }
        guard world.canOpen else { return .failed(.tooManyOpenFiles) }
        guard let (socket, source) = queue.accept() else { return .wouldBlock }
        do throws(SystemError) {
            let descriptor = try world.open(socket)
            world.accepted += 1
            world.log("accept: \(descriptor.number) from \(source)")
            return .connection(descriptor, peer: source)
        } catch {
            return .failed(error)
        }
    }

    public mutating func connect(
        to address: borrowing RawAddress,
        from source: borrowing RawAddress?,
        options: borrowing SocketOptions
    ) throws(SystemError) -> Descriptor {
        world.note(.connect)
        world.connects += 1
        if let error = world.faults.error(of: .connect) { throw error }
        guard world.canOpen else { throw .tooManyOpenFiles }
        let target = address.socketAddress
        let socket = world.makeSocket(isUnix: address.isUnix)
        if !address.isUnix {
            let port = UInt16(truncatingIfNeeded: 50_000 + world.connects)
            socket.localAddress = .internet(InternetAddress(v4: 0x7F00_0001, port: port))
        }
        if let server = world.server(at: target) {
            try server.attempt(by: socket, from: (copy source)?.peer, in: world)
        } else if address.isUnix {
            throw SystemError(code: ENOENT)
        } else {
            socket.fail(.connectionRefused)
        }
        let descriptor = try world.open(socket)
        world.log("connect: \(descriptor.number) to \(target)")
        return descriptor
    }

    public mutating func mayConnectToItself(_ address: borrowing RawAddress) -> Bool { address.isUnix == false }

    public mutating func isConnectedToItself(_ descriptor: borrowing Descriptor) -> Bool {
        world.file(descriptor.number, as: FakeSocket.self, for: "isConnectedToItself")?.isConnectedToItself ?? false
    }

    public mutating func takeError(of descriptor: borrowing Descriptor) -> SystemError? {
        world.note(.takeError(descriptor.number))
        let error = world.file(descriptor.number, as: FakeSocket.self, for: "takeError")?.takeError()
        world.log("takeError: \(descriptor.number): \(error.map(\.description) ?? "none")")
        return error
    }

    public mutating func receive(
        from descriptor: borrowing Descriptor,
        into buffer: UnsafeMutableRawBufferPointer
    ) -> IOResult {
        world.note(.receive(descriptor.number))
        guard let socket = world.file(descriptor.number, as: FakeSocket.self, for: "receive") else {
            return .failed(SystemError(code: EBADF))
        }
        let transfer = receive(from: socket, into: buffer)
        world.log("receive: \(descriptor.number): \(transfer)")
        return transfer
    }

    private func receive(from socket: FakeSocket, into buffer: UnsafeMutableRawBufferPointer) -> IOResult {
        if let fault = fault(of: .receive, on: socket) { return fault }
        // To the caller, a read shortened by a fault looks like an empty queue, so the rest needs a new event.
        let allowance = world.faults.allowance(of: buffer.count)
        switch socket.receive(atMost: allowance) {
        case .bytes(let bytes):
            buffer.copyBytes(from: bytes)
            if bytes.count < buffer.count, bytes.count == allowance { socket.changed() }
            return .moved(bytes.count)
        case .ended: return .ended
        case .wouldBlock: return .wouldBlock
        case .failed(let error): return .failed(error)
        }
    }

    public mutating func send(_ bytes: UnsafeRawBufferPointer, to descriptor: borrowing Descriptor) -> IOResult {
        world.note(.send(Array(bytes), to: descriptor.number))
        guard let socket = world.file(descriptor.number, as: FakeSocket.self, for: "send") else {
            return .failed(SystemError(code: EBADF))
        }
        let transfer = send(bytes, to: socket)
        world.log("send: \(bytes.count) to \(descriptor.number): \(transfer)")
        return transfer
    }

    private func send(_ bytes: UnsafeRawBufferPointer, to socket: FakeSocket) -> IOResult {
        if let fault = fault(of: .send, on: socket) { return fault }
        let allowance = world.faults.allowance(of: bytes.count)
        do throws(SystemError) {
            let count = try socket.send(bytes.prefix(allowance))
            if count == allowance, allowance < bytes.count { socket.changed() }
            return count > 0 ? .moved(count) : .wouldBlock
        } catch {
            return .failed(error)
        }
    }

    /// Returns the result of a call on a socket if a fault decides it.
    private func fault(of call: FakeFaults.Call, on socket: FakeSocket) -> IOResult? {
        if world.faults.resetsNow() { socket.resetByNetwork() }
        if let error = world.faults.error(of: call) { return .failed(error) }
        return world.faults.wouldBlock() ? Self.blocked(socket) : nil
    }

    private static func blocked(_ socket: FakeSocket) -> IOResult {
        socket.changed()
        return .wouldBlock
    }

    public mutating func endSending(on descriptor: borrowing Descriptor) -> SystemError? {
        world.note(.endSending(descriptor.number))
        world.log("endSending: \(descriptor.number)")
        return world.file(descriptor.number, as: FakeSocket.self, for: "endSending")?.endSending()
    }

    public mutating func unacknowledged(on descriptor: borrowing Descriptor) -> Int {
        world.file(descriptor.number, as: FakeSocket.self, for: "unacknowledged")?.unacknowledged ?? 0
    }

    public mutating func close(_ descriptor: consuming Descriptor) {
        let number = descriptor.release()
        world.note(.close(number))
        world.log("close: \(number)")
        switch world.remove(number, for: "close") {
        case let socket as FakeSocket: socket.close()
        case let listener as FakeListener:
            listener.close()
            world.abandoned += listener.abandoned
        case let end as FakePipeEnd: end.close()
        default: break
        }
    }

    public mutating func abort(_ descriptor: consuming Descriptor) {
        let number = descriptor.release()
        world.note(.abort(number))
        world.log("abort: \(number)")
        (world.remove(number, for: "abort") as? FakeSocket)?.abort()
    }

    public mutating func sendDelayedACK(on descriptor: borrowing Descriptor) {
        world.note(.sendDelayedACK(descriptor.number))
    }

    public mutating func keepAlive(_ keepAlive: KeepAlive, on descriptor: borrowing Descriptor) {
        world.log("keepAlive: \(descriptor.number)")
        world.file(descriptor.number, as: FakeSocket.self, for: "keepAlive")?.probes = true
    }

    public mutating func setReceiveLowWater(of descriptor: borrowing Descriptor, to count: Int) {
        world.log("setReceiveLowWater: \(descriptor.number): \(count)")
        world.file(descriptor.number, as: FakeSocket.self, for: "setReceiveLowWater")?.lowWater = count
    }

    public mutating func unreadBytes(on descriptor: borrowing Descriptor) -> Int {
        world.file(descriptor.number, as: FakeSocket.self, for: "unreadBytes")?.received ?? 0
    }

    public mutating func availableSendBuffer(of descriptor: borrowing Descriptor) -> Int {
        world.file(descriptor.number, as: FakeSocket.self, for: "availableSendBuffer")?.room ?? 0
    }

    // MARK: Pipes

    public mutating func read(
        from descriptor: borrowing Descriptor,
        into buffer: UnsafeMutableRawBufferPointer
    ) -> IOResult {
        guard let pipe = world.file(descriptor.number, as: FakePipeEnd.self, for: "read") else {
            return .failed(SystemError(code: EBADF))
        }
        let bytes = pipe.take(atMost: world.faults.allowance(of: buffer.count))
        buffer.copyBytes(from: bytes)
        world.log("read: \(descriptor.number): \(bytes.count)")
        return bytes.isEmpty ? .wouldBlock : .moved(bytes.count)
    }

    public mutating func pipe(capacity: Int) throws(SystemError) -> Pipe {
        if let error = world.faults.error(of: .pipe) { throw error }
        let capacity = min(capacity, world.faults.largestPipe)
        let (input, output) = FakePipeEnd.makePair(capacity: capacity)
        let first = try world.open(output)
        do throws(SystemError) {
            return Pipe(input: try world.open(input), output: first, capacity: capacity)
        } catch {
            close(first)
            throw error
        }
    }

    public mutating func splice(
        from source: borrowing Descriptor,
        to sink: borrowing Descriptor,
        atMost count: Int
    ) -> IOResult {
        if let error = world.faults.error(of: .splice) { return .failed(error) }
        guard let from = world.file(source.number, as: FakeFile.self, for: "splice"),
            let to = world.file(sink.number, as: FakeFile.self, for: "splice")
        else { return .failed(SystemError(code: EBADF)) }
        if world.faults.resetsNow() { (from as? FakeSocket ?? to as? FakeSocket)?.resetByNetwork() }
        if world.faults.wouldBlock() {
            from.changed()
            to.changed()
            return .wouldBlock
        }
        let allowance = world.faults.allowance(of: count)
        let transfer: IOResult
        switch (from, to) {
        case (let socket as FakeSocket, let pipe as FakePipeEnd):
            // A pipe whose slots are used up moves less, and the bytes left in the socket cause no event.
            transfer = pipe.fill(from: socket, atMost: min(allowance, world.faults.pipeRoom(pipe.capacity)))
        case (let pipe as FakePipeEnd, let socket as FakeSocket):
            transfer = pipe.drain(into: socket, atMost: allowance)
            if case .moved(let count) = transfer { world.spliced += count }
        default:
            world.report("splice from descriptor \(source.number) to \(sink.number), neither of which is a pipe")
            return .failed(SystemError(code: EINVAL))
        }
        if case .moved(allowance) = transfer, allowance < count {
            from.changed()
            to.changed()
        }
        world.log("splice: \(source.number) to \(sink.number): \(transfer)")
        return transfer
    }

    // MARK: Memory

    public mutating func allocatePages(_ bytes: Int, alignedTo alignment: Int) -> UnsafeMutableRawPointer? {
        if world.faults.error(of: .allocate) != nil { return nil }
        return SystemMemory.allocatePages(bytes, alignedTo: alignment)
    }
}

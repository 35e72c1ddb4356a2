public import CLinux
import Glibc

// Transfers of bytes: receive, send, splice and pipes.

extension LinuxSystem {
    @inlinable
    public mutating func receive(
        from descriptor: borrowing Descriptor,
        into buffer: UnsafeMutableRawBufferPointer
    ) -> IOResult {
        while true {
            let result = linux_receive(descriptor.number, buffer.baseAddress, buffer.count)
            if result > 0 { return .moved(Int(result)) }
            if result == 0 { return .ended }
            if result == -Int64(EAGAIN) { return .wouldBlock }
            if result != -Int64(EINTR) { return .failed(SystemError(result: result)) }
        }
    }

    @inlinable
    public mutating func send(_ bytes: UnsafeRawBufferPointer, to descriptor: borrowing Descriptor) -> IOResult {
        while true {
            let result = linux_send(descriptor.number, bytes.baseAddress, bytes.count)
            if result >= 0 { return .moved(Int(result)) }
            if result == -Int64(EAGAIN) { return .wouldBlock }
            if result != -Int64(EINTR) { return .failed(SystemError(result: result)) }
        }
    }

    @inlinable
    public mutating func endSending(on descriptor: borrowing Descriptor) -> SystemError? {
        let result = linux_shutdown_sending(descriptor.number)
        return result < 0 ? SystemError(result: result) : nil
    }

    public mutating func unacknowledged(on descriptor: borrowing Descriptor) -> Int {
        Int(max(0, linux_unacknowledged(descriptor.number)))
    }

    public mutating func setReceiveLowWater(of descriptor: borrowing Descriptor, to count: Int) {
        // Only a hint: if it fails, the poller reports more events.
        linux_set_option(descriptor.number, SOL_SOCKET, SO_RCVLOWAT, Int32(clamping: count))
    }

    @inlinable
    public mutating func idleTime(of descriptor: borrowing Descriptor) -> Duration? {
        let result = linux_idle_milliseconds(descriptor.number)
        return result < 0 ? nil : .milliseconds(result)
    }

    public mutating func unreadBytes(on descriptor: borrowing Descriptor) -> Int {
        let result = linux_unread(descriptor.number)
        // If the count is unavailable, there may be more to read; the next read finds out.
        return result < 0 ? 1 : Int(result)
    }

    public mutating func availableSendBuffer(of descriptor: borrowing Descriptor) -> Int {
        var size: Int32 = 0
        linux_get_option(descriptor.number, SOL_SOCKET, SO_SNDBUF, &size)
        // Half of the reported size is for kernel bookkeeping (socket(7), SO_SNDBUF).
        return max(0, Int(size) / 2 - unacknowledged(on: descriptor))
    }

    public mutating func read(
        from descriptor: borrowing Descriptor,
        into buffer: UnsafeMutableRawBufferPointer
    ) -> IOResult {
        while true {
            let result = linux_read(descriptor.number, buffer.baseAddress, buffer.count)
            if result > 0 { return .moved(Int(result)) }
            if result == 0 { return .ended }
            if result == -Int64(EAGAIN) { return .wouldBlock }
            if result != -Int64(EINTR) { return .failed(SystemError(result: result)) }
        }
    }

    public mutating func pipe(capacity: Int) throws(SystemError) -> Pipe {
        // A tuple instead of an array avoids an allocation.
        var ends: (output: Int32, input: Int32) = (-1, -1)
        let result = withUnsafeMutableBytes(of: &ends) {
            linux_pipe($0.baseAddress!.assumingMemoryBound(to: Int32.self))
        }
        try Self.check(result)
        let granted = linux_pipe_set_size(ends.input, Int32(clamping: capacity))
        // Beyond an unprivileged user's quota of pipe pages the size stays unchanged (pipe(7)): 64 KiB, or two pages.
        let actual = granted > 0 ? granted : Int64(fcntl(ends.input, 1032))
        return Pipe(
            input: Descriptor(adopting: ends.input),
            output: Descriptor(adopting: ends.output),
            capacity: Int(max(0, actual))
        )
    }

    @inlinable
    public mutating func splice(
        from source: borrowing Descriptor,
        to sink: borrowing Descriptor,
        atMost count: Int
    ) -> IOResult {
        while true {
            let result = linux_splice(source.number, sink.number, count)
            if result > 0 { return .moved(Int(result)) }
            if result == 0 { return .ended }
            if result == -Int64(EAGAIN) { return .wouldBlock }
            if result != -Int64(EINTR) { return .failed(SystemError(result: result)) }
        }
    }

    public mutating func allocatePages(_ bytes: Int, alignedTo alignment: Int) -> UnsafeMutableRawPointer? {
        SystemMemory.allocatePages(bytes, alignedTo: alignment)
    }
}

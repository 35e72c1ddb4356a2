import CLinux
import Glibc

/// An eventfd in an epoll set. It is edge-triggered: each signal is reported once, and the eventfd never has to be
/// read.
public final class LinuxWaker: Waker {
    private let descriptor: Int32

    init(poller: Int32, token: Token) throws(SystemError) {
        let result = linux_eventfd()
        if result < 0 { throw SystemError(result: result) }
        descriptor = Int32(result)
        let bits = Readiness([.readable, .edgeTriggered]).rawValue
        let registered = linux_epoll_control(poller, EPOLL_CTL_ADD, descriptor, bits, token.bits)
        if registered < 0 {
            linux_close(descriptor)
            throw SystemError(result: registered)
        }
    }

    public func wake() {
        _ = linux_eventfd_signal(descriptor)
    }

    deinit {
        linux_close(descriptor)
    }
}

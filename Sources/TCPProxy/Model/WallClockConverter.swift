import ProcessSupport
import Sockets

/// Converts instants of the monotonic clock to seconds since 1970, based on the offset of both clocks at creation.
struct WallClockConverter {
    private let offset = Double(WallClock.nanoseconds) - Double(WallClock.monotonicNanoseconds)

    func seconds(_ instant: Instant) -> Double {
        (Double(instant.nanoseconds) + offset) / 1e9
    }
}

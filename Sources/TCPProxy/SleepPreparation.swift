/// Has Swift's runtime make what its first `Task.sleep` needs.
///
/// Some of that is descriptors, and where there are none left the process ends with an illegal instruction. So it is made
/// before connections can take them all, not when the first drain begins.
enum SleepPreparation {
    static var done: Void {
        get async { try? await Task.sleep(for: .nanoseconds(1)) }
    }
}

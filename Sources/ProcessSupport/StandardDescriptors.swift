import Glibc

/// The descriptors 0, 1 and 2 of the process.
public enum StandardDescriptors {
    /// Opens /dev/null on each standard descriptor that is closed. Otherwise the next file or socket would get the number,
    /// and output for a terminal would be written into it. Called before anything else opens a descriptor.
    public static func openMissing() {
        for number in 0...2 as ClosedRange<Int32> where fcntl(number, F_GETFD) < 0 {
            // The lowest free number is the missing one, because those below it are open.
            _ = open("/dev/null", number == 0 ? O_RDONLY : O_WRONLY)
        }
    }
}

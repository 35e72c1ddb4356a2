import Glibc
import ProcessSupport
import Sockets

extension LoadTest.Configuration {
    /// Throws ``LoadTestError/badSetting(name:value:allowed:)`` for the first setting that is outside its range.
    func validate() throws(LoadTestError) {
        try check("the number of connections", connections, 1...1_000_000)
        try check("the number of threads", threads, 1...64)
        try check("the number of ramp steps", rampSteps, 1...1000)
        try check("the limit of the queue", queueLimit, 1...100_000_000)
        try check("the duration", duration, .milliseconds(1)...(.seconds(86_400)))
        try check("the warm-up", warmUp, .zero...(.seconds(3600)))
        try check("the drain", drain, .zero...(.seconds(3600)))
        try check("the timeout", timeout, .milliseconds(1)...(.seconds(3600)))
        try check("the connect timeout", connectTimeout, .milliseconds(1)...(.seconds(3600)))
        try checkMode()
        if case .rate(let profile) = pace { try check(profile) }
    }

    private func checkMode() throws(LoadTestError) {
        let size = 1...(1 << 30)
        switch mode {
        case .echo(let payload): try check("the size of a request", payload.count, size)
        case .request(let payload, let response):
            try check("the size of a request", payload.count, size)
            try check("the size of a response", response.size, size)
        case .connect(let payload, _), .hold(let payload):
            try check("the size of a request", payload.count, 0...size.upperBound)
        case .bulk(let bulk): try check("the chunk", bulk.chunk, 1...(16 << 20))
        case .script: break
        }
    }

    private func check(_ profile: LoadTest.RateProfile) throws(LoadTestError) {
        let rates = profile.pieces.flatMap { [$0.from, $0.to] } + [profile.finalRate]
        guard rates.allSatisfy({ (0...1e9).contains($0) }), profile.highestRate > 0 else {
            throw .badSetting(
                name: "the rate",
                value: "\(rates.max() ?? 0)/s",
                allowed: "more than 0 and at most 1,000,000,000/s"
            )
        }
        guard profile.pieces.allSatisfy({ $0.duration > .zero }) else {
            throw .badSetting(name: "the duration of a ramp", value: "0", allowed: "at least a nanosecond")
        }
    }

    private func check(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws(LoadTestError) {
        guard range.contains(value) else {
            throw .badSetting(name: name, value: "\(value)", allowed: "\(range.lowerBound) to \(range.upperBound)")
        }
    }

    private func check(_ name: String, _ value: Duration, _ range: ClosedRange<Duration>) throws(LoadTestError) {
        guard range.contains(value) else {
            throw .badSetting(name: name, value: "\(value)", allowed: "\(range.lowerBound) to \(range.upperBound)")
        }
    }

    /// Number of threads that have at least one connection.
    var usedThreads: Int { min(threads, connections) }

    /// Number of descriptors that a run needs: one per connection; a poller, a waker and a timer per thread; and 64 for
    /// those already open in the process.
    var neededDescriptors: Int { connections + 3 * usedThreads + 64 }

    /// Throws if the limits of the system do not allow the plan, before anything is opened.
    func checkLimits(target: SocketAddress) throws(LoadTestError) {
        let limit = DescriptorLimit.raise()
        guard neededDescriptors <= limit else { throw .descriptorLimit(limit: limit, needed: neededDescriptors) }
        try checkSources(target: target)
        try checkPorts(target: target)
    }

    /// Throws for the first source address that cannot be used to reach the target.
    private func checkSources(target: SocketAddress) throws(LoadTestError) {
        let family = RawAddress(target).family
        for source in sources {
            guard RawAddress(source).family == family else {
                throw .foreignSource(source, target: self.target.description)
            }
            do throws(SystemError) {
                try LinuxSystem.tryBinding(to: source)
            } catch {
                throw .badSource(SourceAddressError(source, error))
            }
        }
    }

    /// Throws if there are fewer local ports than connections.
    func checkPorts(target: SocketAddress) throws(LoadTestError) {
        guard case .internet = target, let ports = Self.localPorts else { return }
        let available = ports * max(1, sources.count)
        guard connections <= available else { throw .portLimit(available: available, connections: connections) }
    }

    /// Number of local ports (ip(7), ip_local_port_range); nil if it cannot be read.
    private static var localPorts: Int? {
        guard let file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r") else { return nil }
        defer { fclose(file) }
        var text = [CChar](repeating: 0, count: 64)
        guard fgets(&text, Int32(text.count), file) != nil else { return nil }
        let bytes = text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
        let numbers = String(decoding: bytes, as: UTF8.self).split { !$0.isNumber }.compactMap { Int($0) }
        guard numbers.count == 2, numbers[0] <= numbers[1] else { return nil }
        return numbers[1] - numbers[0] + 1
    }
}

import Glibc
import ProcessSupport
import Sockets
import ValueFormats

extension LoadTest.Configuration {
    /// Throws ``LoadTestError/badSetting(name:value:allowed:)`` for the first setting that is outside its range.
    func validate() throws(LoadTestError) {
        try Settings.connections.check(connections)
        try Settings.threads.check(threads)
        try Settings.rampSteps.check(rampSteps)
        try Settings.queueLimit.check(queueLimit)
        try Settings.duration.check(duration)
        try Settings.warmUp.check(warmUp)
        try Settings.drain.check(drain)
        try Settings.timeout.check(timeout)
        try Settings.connectTimeout.check(connectTimeout)
        try checkMode()
        try checkTLS()
        if case .rate(let profile) = pace { try check(profile) }
    }

    private func checkMode() throws(LoadTestError) {
        switch mode {
        case .echo(let payload): try checkRequest(payload)
        case .request(let payload, let response):
            try checkRequest(payload)
            try Settings.responseSize.check(response.size)
        case .connect(let payload, _), .hold(let payload): try Settings.requestSize.check(payload.count)
        case .bulk(let bulk): try Settings.chunk.check(bulk.chunk)
        case .handshake, .script: break
        }
    }

    /// Validates the size of a request that cannot be empty.
    private func checkRequest(_ payload: LoadTest.Payload) throws(LoadTestError) {
        try Settings.requestSize.check(payload.count)
        guard payload.count > 0 else {
            throw .badSetting(
                name: Settings.requestSize.option,
                value: "0",
                allowed: "at least 1 byte, except in the modes connect and hold"
            )
        }
    }

    private func check(_ profile: LoadTest.RateProfile) throws(LoadTestError) {
        let rates = profile.pieces.flatMap { [$0.from, $0.to] } + [profile.finalRate]
        guard rates.allSatisfy({ (0...1e9).contains($0) }), profile.highestRate > 0 else {
            throw .badSetting(
                name: "rate",
                value: "\(rates.max() ?? 0)/s",
                allowed: "more than 0 and at most 1,000,000,000/s"
            )
        }
        guard profile.pieces.allSatisfy({ $0.duration > .zero }) else {
            throw .badSetting(name: "duration of a ramp", value: "0", allowed: "at least a nanosecond")
        }
    }

    /// Number of threads that have at least one connection.
    var usedThreads: Int { min(threads, connections) }

    /// Number of descriptors that a run needs: one per connection; a poller, a waker and two timers per thread; and 64 for
    /// those already open in the process.
    var neededDescriptors: Int { connections + 4 * usedThreads + 64 }

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

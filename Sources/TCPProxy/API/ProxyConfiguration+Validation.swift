import ProcessSupport
import ValueFormats

// Validation of the settings of a proxy, and the limits derived from them and from the machine.

extension ProxyConfiguration {
    /// Descriptors reserved for other uses than connections: the HTTP endpoint, name resolution, logs.
    static let reservedDescriptors = 32
    /// Descriptors of a worker in addition to its connections and listening sockets: poller, waker, and one spare.
    static let descriptorsPerWorker = 3

    /// Validates all settings.
    ///
    /// - Throws: ``ProxyError/badSetting(name:value:allowed:)`` for the first setting that is out of range.
    func check() throws(ProxyError) {
        try Settings.threads.check(threads)
        try Settings.maxConnections.check(maxConnections)
        try Settings.maxPipes.check(maxPipes)
        try Settings.grace.check(grace)
        try Settings.drainDelay.check(drainDelay)
        try Settings.resolveInterval.check(resolveInterval)
    }

    /// Raises the descriptor limit as far as possible and returns the maximum number of open connections.
    ///
    /// - Parameter listeners: number of listeners; each has a socket on each thread.
    /// - Throws: ``ProxyError/descriptorLimit(limit:wanted:connections:)`` if the limit is too low for the requested
    ///   number, ``ProxyError/listenerDescriptors(limit:wanted:listeners:threads:)`` if it is too low for the listening
    ///   sockets.
    func connectionLimit(listeners: Int = 1) throws(ProxyError) -> Int {
        let limit = DescriptorLimit.raise()
        let sockets = threads * listeners
        let own = DescriptorCount.now + Self.reservedDescriptors + threads * Self.descriptorsPerWorker
        guard sockets <= threads || own + sockets + 2 <= limit else {
            throw .listenerDescriptors(
                limit: limit,
                wanted: own + sockets + 2,
                listeners: listeners,
                threads: threads
            )
        }
        let others = own + sockets + 2 * threads * pipesPerWorker(descriptorLimit: limit, listeners: listeners)
        if let maxConnections {
            let wanted = others + 2 * maxConnections
            guard wanted <= limit else {
                throw .descriptorLimit(limit: limit, wanted: wanted, connections: maxConnections)
            }
            return maxConnections
        }
        guard limit >= others + 2 else { throw .descriptorLimit(limit: limit, wanted: others + 2, connections: 1) }
        return min((limit - others) / 2, Settings.maxConnections.values.numbers.upperBound)
    }

    /// Divisor of the descriptor limit: pipes of all workers together may use one descriptor in 8.
    static let pipeShare = 8

    /// Returns the maximum number of pipes per worker: its share of the pipes that the descriptor limit and the limit
    /// on pipe pages allow.
    ///
    /// - Parameter listeners: number of listeners; each has a socket on each thread.
    func pipesPerWorker(descriptorLimit: Int, listeners: Int = 1) -> Int {
        if engine == .copy { return 0 }
        if let maxPipes { return maxPipes }
        let byDescriptors = max(0, descriptorLimit - threads * (listeners - 1)) / Self.pipeShare / 2 / threads
        let pages = PipePages.available(dropsPrivileges: dropsPrivileges)
        return min(64, byDescriptors, pages.map { $0 / PipePages.perPipe / threads } ?? .max)
    }
}

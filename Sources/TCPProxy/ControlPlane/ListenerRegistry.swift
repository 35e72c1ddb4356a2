import Sockets
import Synchronization

/// The control plane's view of the listeners: their addresses, and the numbers under which their connections are
/// counted.
///
/// A listener whose settings change gets a new number, because existing connections keep the settings with which they
/// were accepted. A number is reused only when no longer referenced.
final class ListenerRegistry: Sendable {
    struct Entry: Sendable {
        var plan: ProxyPlan.Listener
        let number: Int
        /// The number of the listener's ``ListenerLimits``: the first number of the listener, reserved for it as long
        /// as it exists.
        let limits: Int
        /// The bound address, with port 0 resolved.
        let address: SocketAddress
        /// The socket file of a Unix socket.
        let file: UnixSocketFile?
        /// Counters under this number at the time when it was assigned.
        let origin: MetricRow<ListenerMetric>
        /// Sockets at addresses that the listener's address covers, taken over from listeners that no longer exist.
        fileprivate(set) var aliases: [Alias] = []
        /// Previous numbers of the listener that still have connections, with their counter origins.
        fileprivate(set) var former: [Former] = []
        /// The sum of the counters under previous numbers that have been freed.
        fileprivate var past = MetricRow<ListenerMetric>()
    }

    /// A further socket of a listener, with a number of its own.
    ///
    /// The kernel passes a SYN to the socket with the most specific address. If a listener changes from 127.0.0.1 to
    /// 0.0.0.0 at the same port, the old socket thus receives the SYNs to 127.0.0.1 until it is closed, and closing it
    /// would lose handshakes in progress. Therefore it stays open, as a part of the new listener.
    struct Alias: Sendable {
        let number: Int
        let address: SocketAddress
        let origin: MetricRow<ListenerMetric>
    }

    struct Former: Sendable {
        let number: Int
        /// Pools to which its connections may refer.
        fileprivate(set) var pools: Set<Int>
        let address: SocketAddress
        let origin: MetricRow<ListenerMetric>
    }

    private struct State {
        var entries: [Entry] = []
        /// Removed listeners that may still have connections: all numbers of each one. They are freed together, because
        /// one of them is the number of its limits.
        var retired: [[Former]] = []

        var former: [Former] { retired.flatMap(\.self) + entries.flatMap(\.former) }
        var numbers = IDAllocator(capacity: Listeners.capacity)
        /// Listener names by number. The entry of a removed listener stays until its number is reused.
        var names: [Int: String] = [:]
    }

    private let memory: SharedMemory
    private let state: Mutex<State>

    /// - Parameter listenings: the sockets of the initial listeners of a proxy, in the order of their numbers.
    init(_ memory: SharedMemory, _ plans: [ProxyPlan.Listener], _ listenings: [Listening]) {
        self.memory = memory
        var first = State()
        first.numbers = IDAllocator(capacity: Listeners.capacity, taken: plans.count)
        for (plan, listening) in zip(plans, listenings) {
            first.entries.append(
                Entry(
                    plan: plan,
                    number: first.entries.count,
                    limits: first.entries.count,
                    address: listening.address,
                    file: listening.file,
                    origin: MetricRow()
                )
            )
        }
        for entry in first.entries { first.names[entry.number] = entry.plan.name }
        state = Mutex(first)
    }

    /// All listeners, in the order of the configuration.
    var entries: [Entry] { state.withLock(\.entries) }

    /// TLS of the listeners that have it, by name.
    var tls: [String: ListenerTLSPlan] {
        let plans = entries.compactMap { entry in entry.plan.settings.tls.map { (entry.plan.name, $0) } }
        return Dictionary(plans) { first, _ in first }
    }

    /// Returns the name of the listener that has this number or had it last.
    func name(ofListener number: Int) -> String { state.withLock { $0.names[number] ?? "" } }

    /// Returns the numbers of the present and former listeners with this name.
    func numbers(named name: String) -> Set<Int16> {
        state.withLock { state in Set(state.names.filter { $0.value == name }.keys.map { Int16($0) }) }
    }

    /// Returns the totals of a listener's counters over all its numbers.
    func figures(of entry: Entry) -> MetricRow<ListenerMetric> {
        var sum = entry.past
        sum += MetricRow(entry.number, of: memory.listenerMetrics) - entry.origin
        for alias in entry.aliases { sum += MetricRow(alias.number, of: memory.listenerMetrics) - alias.origin }
        for former in entry.former { sum += MetricRow(former.number, of: memory.listenerMetrics) - former.origin }
        return sum
    }

    // MARK: Changes

    /// The listeners as they will be after a change; not visible to readers before ``commit(_:_:)``.
    struct Draft: Sendable {
        /// The action for one configured listener.
        enum Step: Sendable {
            case kept(Entry)
            /// The socket is kept and gets a new number.
            case moved(Entry, to: Int)
            /// A new socket is opened.
            case opened(at: Int)
            /// A socket at the same address, an alias of a closed listener, is taken over.
            case adopted(from: Int, at: Int, SocketAddress)
        }

        /// The action for one further socket of a listener.
        enum AliasStep: Sendable {
            case kept(Alias)
            /// The socket gets a new number.
            case moved(from: Int, to: Int, SocketAddress)
        }

        fileprivate(set) var steps: [(plan: ProxyPlan.Listener, step: Step)] = []
        /// The further sockets of the listeners, by index in ``steps``.
        fileprivate(set) var aliases: [[AliasStep]] = []
        /// Listeners that are to be closed.
        fileprivate(set) var closed: [Entry] = []
        fileprivate var takenNumbers: [Int] = []

        /// Returns the addresses of all listeners, in the order of the configuration.
        ///
        /// - Parameter opened: the opened sockets, in the order of ``opened``.
        func addresses(_ opened: [Listening]) -> [SocketAddress] {
            var opened = opened[...]
            return steps.map { plan, step in
                switch step {
                case .kept(let entry), .moved(let entry, _): entry.address
                case .opened: opened.popFirst()?.address ?? plan.address
                case .adopted(_, _, let address): address
                }
            }
        }

        /// The listeners whose sockets must be opened, in order.
        var opened: [ProxyPlan.Listener] {
            steps.compactMap { if case .opened = $0.step { $0.plan } else { nil } }
        }

        /// The numbers of all sockets of the listeners that are to be closed; some of them may be taken over.
        var closedNumbers: [Int] { closed.flatMap { [$0.number] + $0.aliases.map(\.number) } }
    }

    /// Prepares a change to these listeners. ``commit(_:_:)`` or ``abandon(_:)`` must follow before the next draft.
    ///
    /// - Throws: ``ProxyError/tooManyListeners(limit:)``.
    func draft(_ plans: [ProxyPlan.Listener]) throws(ProxyError) -> Draft {
        var draft = Draft()
        let entries = entries
        // Indices of the entries that are left to match, the first one last.
        var left: [ProxyPlan.Listener.Place: [Int]] = [:]
        for (index, entry) in entries.enumerated().reversed() { left[entry.plan.place, default: []].append(index) }
        do throws(ProxyError) {
            for plan in plans {
                guard let index = left[plan.place]?.popLast() else {
                    draft.steps.append((plan, .opened(at: try takeNumber(&draft))))
                    draft.aliases.append([])
                    continue
                }
                let present = entries[index]
                let isSame = present.plan.settings == plan.settings && present.plan.options == plan.options
                draft.steps.append((plan, isSame ? .kept(present) : .moved(present, to: try takeNumber(&draft))))
                var aliases: [Draft.AliasStep] = []
                for alias in present.aliases {
                    aliases.append(
                        isSame
                            ? .kept(alias)
                            : .moved(from: alias.number, to: try takeNumber(&draft), alias.address)
                    )
                }
                draft.aliases.append(aliases)
            }
            draft.closed = left.values.joined().sorted().map { entries[$0] }
            try takeOverSockets(&draft)
        } catch {
            abandon(draft)
            throw error
        }
        return draft
    }

    /// Lets new listeners take over the sockets of closed listeners at their address, or at addresses that it covers.
    private func takeOverSockets(_ draft: inout Draft) throws(ProxyError) {
        let sockets = draft.closed.flatMap { [($0.number, $0.address)] + $0.aliases.map { ($0.number, $0.address) } }
        for (number, address) in sockets {
            for index in draft.steps.indices {
                let (plan, step) = draft.steps[index]
                if case .opened(let new) = step, plan.address == address, address.port != 0 {
                    draft.steps[index].step = .adopted(from: number, at: new, address)
                    break
                }
                if plan.address.covers(address) {
                    draft.aliases[index].append(.moved(from: number, to: try takeNumber(&draft), address))
                    break
                }
            }
        }
    }

    /// Releases the numbers reserved by a draft that is not committed.
    func abandon(_ draft: Draft) {
        // Descending, because the last number released is reused first, and workers require new numbers to be
        // consecutive.
        state.withLock { $0.numbers.release(draft.takenNumbers.sorted(by: >)) }
    }

    /// Commits a change. The caller must notify the workers.
    ///
    /// - Parameter listenings: the opened sockets, in the order of ``Draft/opened``.
    func commit(_ draft: Draft, _ listenings: [Listening]) {
        var listenings = listenings[...]
        var entries: [Entry] = []
        for (index, (plan, step)) in draft.steps.enumerated() {
            let aliases = draft.aliases[index].map { step in
                switch step {
                case .kept(let alias): alias
                case .moved(_, let number, let address):
                    Alias(number: number, address: address, origin: MetricRow(number, of: memory.listenerMetrics))
                }
            }
            switch step {
            case .kept(var entry):
                entry.plan = plan
                entry.aliases = aliases
                entries.append(entry)
            case .moved(let before, let number):
                var entry = Entry(
                    plan: plan,
                    number: number,
                    limits: before.limits,
                    address: before.address,
                    file: before.file,
                    origin: MetricRow(number, of: memory.listenerMetrics)
                )
                entry.aliases = aliases
                entry.former = before.former + before.asFormer
                entry.past = before.past
                entries.append(entry)
            case .opened(let number):
                let listening = listenings.removeFirst()
                entries.append(entry(plan, number, at: listening.address, listening.file, aliases))
            case .adopted(_, let number, let address):
                entries.append(entry(plan, number, at: address, nil, aliases))
            }
        }
        state.withLock { state in
            state.entries = entries
            for entry in entries {
                let numbers = [entry.number] + entry.aliases.map(\.number) + entry.former.map(\.number)
                for number in numbers { state.names[number] = entry.plan.name }
            }
            state.retired += draft.closed.map { $0.former + $0.asFormer }
        }
    }

    /// Returns a listener with a number of its own.
    private func entry(
        _ plan: ProxyPlan.Listener,
        _ number: Int,
        at address: SocketAddress,
        _ file: UnixSocketFile?,
        _ aliases: [Alias]
    ) -> Entry {
        let origin = MetricRow(number, of: memory.listenerMetrics)
        var entry = Entry(plan: plan, number: number, limits: number, address: address, file: file, origin: origin)
        entry.aliases = aliases
        return entry
    }

    // MARK: Numbers

    private func takeNumber(_ draft: inout Draft) throws(ProxyError) -> Int {
        guard let number = state.withLock({ $0.numbers.take(into: &draft.takenNumbers) }) else {
            throw .tooManyListeners(limit: Listeners.capacity)
        }
        return number
    }

    /// Previous numbers whose sockets are closed on all workers. All connections accepted under them have been handed
    /// over.
    var quiescentNumbers: Set<Int> {
        Set(state.withLock(\.former).map(\.number).filter { !isOpen($0) })
    }

    private func isOpen(_ number: Int) -> Bool {
        MetricRow(number, of: memory.listenerMetrics)[.open] > 0
    }

    /// Returns the ports whose listening sockets are about to be closed; new sockets of this process may join them
    /// until then.
    func endingPorts(_ draft: Draft) -> Set<UInt16> {
        let retired = state.withLock(\.retired).flatMap(\.self).filter { isOpen($0.number) }
        return Set((draft.closed.map(\.address) + retired.map(\.address)).compactMap(\.port))
    }

    /// Frees numbers whose last connection has ended. Call it when all workers have processed a later change, so that
    /// no mailbox contains a message that refers to them.
    ///
    /// - Parameter silent: the value of ``quiescentNumbers`` before that change.
    func collect(_ quiescent: Set<Int>) {
        state.withLock { state in
            let isFree = { (former: Former) -> Bool in
                let row = MetricRow(former.number, of: self.memory.listenerMetrics)
                return quiescent.contains(former.number) && row[.opened] == row[.closed]
            }
            for index in state.entries.indices {
                let limits = state.entries[index].limits
                for former in state.entries[index].former where isFree(former) && former.number != limits {
                    let row = MetricRow(former.number, of: memory.listenerMetrics)
                    state.entries[index].past += row - former.origin
                    state.numbers.release(former.number)
                }
                state.entries[index].former.removeAll { isFree($0) && $0.number != limits }
                // Keep only the number itself if it is the number of the limits.
                for place in state.entries[index].former.indices where isFree(state.entries[index].former[place]) {
                    state.entries[index].former[place].pools = []
                }
            }
            let isOver = { (numbers: [Former]) -> Bool in numbers.allSatisfy(isFree) }
            state.numbers.release(state.retired.filter(isOver).flatMap { $0.map(\.number) })
            state.retired.removeAll(where: isOver)
        }
    }

    /// Pools to which listeners and their connections may refer.
    var usedPools: Set<Int> {
        state.withLock { state in
            Set(state.entries.flatMap(\.plan.pools) + state.former.flatMap(\.pools))
        }
    }
}

extension ListenerRegistry.Entry {
    /// The numbers of its sockets, as those of a listener that has other numbers now.
    fileprivate var asFormer: [ListenerRegistry.Former] {
        let own = ListenerRegistry.Former(number: number, pools: plan.pools, address: address, origin: origin)
        return [own]
            + aliases.map {
                ListenerRegistry.Former(number: $0.number, pools: plan.pools, address: $0.address, origin: $0.origin)
            }
    }
}

extension ProxyPlan.Listener {
    /// The identity of a listener: its address, and with an ephemeral port (0) its name, too.
    fileprivate struct Place: Hashable {
        var address: SocketAddress
        var name: String?
    }

    fileprivate var place: Place { Place(address: address, name: address.port == 0 ? name : nil) }
}

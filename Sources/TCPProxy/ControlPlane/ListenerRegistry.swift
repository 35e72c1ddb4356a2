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
        /// Previous numbers of the listener that still have connections, with their counter origins.
        fileprivate(set) var former: [Former] = []
        /// The sum of the counters under previous numbers that have been freed.
        fileprivate var past = MetricRow<ListenerMetric>()
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
        }

        fileprivate(set) var steps: [(plan: ProxyPlan.Listener, step: Step)] = []
        /// Listeners that are to be closed.
        fileprivate(set) var closed: [Entry] = []
        fileprivate var takenNumbers: [Int] = []

        /// The listeners whose sockets must be opened, in order.
        var opened: [ProxyPlan.Listener] {
            steps.compactMap { if case .opened = $0.step { $0.plan } else { nil } }
        }
    }

    /// Prepares a change to these listeners. ``commit(_:_:)`` or ``abandon(_:)`` must follow before the next draft.
    ///
    /// - Throws: ``ProxyError/tooManyListeners(limit:)``.
    func draft(_ plans: [ProxyPlan.Listener]) throws(ProxyError) -> Draft {
        var draft = Draft()
        draft.closed = entries
        do throws(ProxyError) {
            for plan in plans {
                guard let index = draft.closed.firstIndex(where: { $0.plan.isSamePlace(as: plan) }) else {
                    draft.steps.append((plan, .opened(at: try takeNumber(&draft))))
                    continue
                }
                let present = draft.closed.remove(at: index)
                let isSame = present.plan.settings == plan.settings && present.plan.options == plan.options
                draft.steps.append((plan, isSame ? .kept(present) : .moved(present, to: try takeNumber(&draft))))
            }
        } catch {
            abandon(draft)
            throw error
        }
        return draft
    }

    private func takeNumber(_ draft: inout Draft) throws(ProxyError) -> Int {
        guard let number = state.withLock({ $0.numbers.take() }) else {
            throw .tooManyListeners(limit: Listeners.capacity)
        }
        draft.takenNumbers.append(number)
        return number
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
        for (plan, step) in draft.steps {
            switch step {
            case .kept(var entry):
                entry.plan = plan
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
                entry.former = before.former + [before.asFormer]
                entry.past = before.past
                entries.append(entry)
            case .opened(let number):
                let listening = listenings.removeFirst()
                entries.append(
                    Entry(
                        plan: plan,
                        number: number,
                        limits: number,
                        address: listening.address,
                        file: listening.file,
                        origin: MetricRow(number, of: memory.listenerMetrics)
                    )
                )
            }
        }
        state.withLock { state in
            state.entries = entries
            for entry in entries {
                for number in [entry.number] + entry.former.map(\.number) { state.names[number] = entry.plan.name }
            }
            state.retired += draft.closed.map { $0.former + [$0.asFormer] }
        }
    }

    // MARK: Numbers

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
    fileprivate var asFormer: ListenerRegistry.Former {
        ListenerRegistry.Former(number: number, pools: plan.pools, address: address, origin: origin)
    }
}

extension ProxyPlan.Listener {
    /// Returns whether both have the same address; listeners with an ephemeral port (0) are distinguished by name.
    fileprivate func isSamePlace(as other: ProxyPlan.Listener) -> Bool {
        address == other.address && (address.port != 0 || name == other.name)
    }
}

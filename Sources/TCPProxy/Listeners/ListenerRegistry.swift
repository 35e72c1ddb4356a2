import Sockets
import Synchronization

/// What the control plane knows of the listeners: where each listens, and under which numbers its connections are counted.
///
/// A listener that is to serve otherwise gets another number, since connections go on with the settings that they began
/// with. A number is given to another listener only when nobody speaks of it any more.
final class ListenerRegistry: Sendable {
    struct Entry: Sendable {
        var plan: CorePlan.Listener
        let number: Int
        /// The number under which its clients are limited: the first that it had, which is nobody else's while it is there.
        let limits: Int
        /// Port 0 resolved.
        let address: SocketAddress
        /// The file of a Unix socket.
        let file: UnixSocketFile?
        /// What had been counted under its number when it came.
        let origin: FigureRow<ListenerFigure>
        /// Numbers that it had before, and that have connections still, with their origins.
        fileprivate(set) var former: [Former] = []
        /// What was counted under numbers that it had before and has no more.
        fileprivate var past = FigureRow<ListenerFigure>()
    }

    struct Former: Sendable {
        let number: Int
        /// Pools that its connections may have come for.
        fileprivate(set) var pools: Set<Int>
        let address: SocketAddress
        let origin: FigureRow<ListenerFigure>
    }

    private struct State {
        var entries: [Entry] = []
        /// Of listeners that there are no more, and that may still have connections: all numbers of each, which are freed
        /// together, since one of them is that of its limits.
        var retired: [[Former]] = []

        var former: [Former] { retired.flatMap(\.self) + entries.flatMap(\.former) }
        var numbers = NumberPool(capacity: Listeners.capacity)
        /// The names of listeners by their numbers; where there is none any more, of the one that had it last.
        var names: [Int: String] = [:]
    }

    private let memory: SharedMemory
    private let state: Mutex<State>

    /// - Parameter listenings: of the first listeners of a proxy, in the order of their numbers.
    init(_ memory: SharedMemory, _ plans: [CorePlan.Listener], _ listenings: [Listening]) {
        self.memory = memory
        var first = State()
        first.numbers = NumberPool(capacity: Listeners.capacity, taken: plans.count)
        for (plan, listening) in zip(plans, listenings) {
            first.entries.append(
                Entry(
                    plan: plan,
                    number: first.entries.count,
                    limits: first.entries.count,
                    address: listening.address,
                    file: listening.file,
                    origin: FigureRow()
                )
            )
        }
        for entry in first.entries { first.names[entry.number] = entry.plan.name }
        state = Mutex(first)
    }

    /// All listeners, in the order of the configuration.
    var entries: [Entry] { state.withLock(\.entries) }

    /// The name of the listener that has a number, or had it last.
    func name(ofListener number: Int) -> String { state.withLock { $0.names[number] ?? "" } }

    /// The numbers that listeners of a name have, and those that had it last.
    func numbers(named name: String) -> Set<Int16> {
        state.withLock { state in Set(state.names.filter { $0.value == name }.keys.map { Int16($0) }) }
    }

    /// All that has been counted of a listener.
    func figures(of entry: Entry) -> FigureRow<ListenerFigure> {
        var sum = entry.past
        sum += FigureRow(entry.number, of: memory.listenerFigures) - entry.origin
        for former in entry.former { sum += FigureRow(former.number, of: memory.listenerFigures) - former.origin }
        return sum
    }

    // MARK: Changes

    /// Listeners as they would be after a change. Nobody sees them before it is made.
    struct Draft: Sendable {
        /// What becomes of one listener that is to be there.
        enum Step: Sendable {
            case kept(Entry)
            /// Its socket stays and gets another number.
            case moved(Entry, to: Int)
            /// Nobody listens there yet.
            case opened(at: Int)
        }

        fileprivate(set) var steps: [(plan: CorePlan.Listener, step: Step)] = []
        /// Those that are to stop listening.
        fileprivate(set) var closed: [Entry] = []
        fileprivate var takenNumbers: [Int] = []

        /// What has to be opened, in order.
        var opened: [CorePlan.Listener] {
            steps.compactMap { if case .opened = $0.step { $0.plan } else { nil } }
        }
    }

    /// What a change to these listeners would bring. To be followed by ``commit(_:_:)`` or ``abandon(_:)`` before another.
    ///
    /// - Throws: ``ProxyError/tooManyListeners(limit:)``.
    func draft(_ plans: [CorePlan.Listener]) throws(ProxyError) -> Draft {
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

    /// Gives back what was taken for a change that is not made.
    func abandon(_ draft: Draft) {
        // Workers take numbers in their order, so those that they have never seen must come next.
        state.withLock { $0.numbers.giveBack(draft.takenNumbers.sorted(by: >)) }
    }

    /// Makes a change. Workers have to be told.
    ///
    /// - Parameter listenings: for what has to be opened, in order.
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
                    origin: FigureRow(number, of: memory.listenerFigures)
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
                        origin: FigureRow(number, of: memory.listenerFigures)
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

    /// Numbers under which nobody listens any more, on no worker. What was accepted under them has been handed over by now.
    var silentNumbers: Set<Int> {
        Set(state.withLock(\.former).map(\.number).filter { !isOpen($0) })
    }

    private func isOpen(_ number: Int) -> Bool {
        FigureRow(number, of: memory.listenerFigures)[.open] > 0
    }

    /// Ports at which listeners are about to close their sockets: there our own new ones may join them meanwhile.
    func endingPorts(_ draft: Draft) -> Set<UInt16> {
        let retired = state.withLock(\.retired).flatMap(\.self).filter { isOpen($0.number) }
        return Set((draft.closed.map(\.address) + retired.map(\.address)).compactMap(\.port))
    }

    /// Frees numbers whose last connections have ended. To be called when all workers have heard of a change since then,
    /// so that none has a message left that speaks of them.
    ///
    /// - Parameter silent: what ``silentNumbers`` was before that change.
    func collect(_ silent: Set<Int>) {
        state.withLock { state in
            let isFree = { (former: Former) -> Bool in
                let row = FigureRow(former.number, of: self.memory.listenerFigures)
                return silent.contains(former.number) && row[.opened] == row[.closed]
            }
            for index in state.entries.indices {
                let limits = state.entries[index].limits
                for former in state.entries[index].former where isFree(former) && former.number != limits {
                    let row = FigureRow(former.number, of: memory.listenerFigures)
                    state.entries[index].past += row - former.origin
                    state.numbers.giveBack(former.number)
                }
                state.entries[index].former.removeAll { isFree($0) && $0.number != limits }
                // What is left of the number of its limits is nothing but the number.
                for place in state.entries[index].former.indices where isFree(state.entries[index].former[place]) {
                    state.entries[index].former[place].pools = []
                }
            }
            let isOver = { (numbers: [Former]) -> Bool in numbers.allSatisfy(isFree) }
            state.numbers.giveBack(state.retired.filter(isOver).flatMap { $0.map(\.number) })
            state.retired.removeAll(where: isOver)
        }
    }

    /// Pools that listeners and their connections may speak of.
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

extension CorePlan.Listener {
    /// Whether both listen at the same address; where the system chooses a port, names tell listeners apart.
    fileprivate func isSamePlace(as other: CorePlan.Listener) -> Bool {
        address == other.address && (address.port != 0 || name == other.name)
    }
}

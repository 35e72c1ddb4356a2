import EventLoop
import ProcessSupport
import Sockets
import TLS

/// A notification from a generator's thread to the control plane.
enum GeneratorNotice: Sendable {
    case opened(Opening)
    case published(thread: Int)
    case ended(thread: Int)
}

/// A thread that generates load, and the channels to and from it.
struct GeneratorThread: Sendable {
    let worker: WorkerThread
    let mailbox: Mailbox<GeneratorCommand>
    let outbox: Outbox

    /// Starts the threads that a plan needs.
    ///
    /// - Parameters:
    ///   - context: nil without TLS.
    ///   - notify: called on the threads.
    static func start(
        _ configuration: LoadTest.Configuration,
        at target: SocketAddress,
        context: TLSContext?,
        notify: @escaping @Sendable (GeneratorNotice) -> Void
    ) throws(LoadTestError) -> [GeneratorThread] {
        // All systems and threads are created first, so that no thread must be stopped if one cannot be created.
        var parked: [ParkedThread] = []
        var systems: [TransferBox<MeteredSystem>] = []
        var mailboxes: [Mailbox<GeneratorCommand>] = []
        for _ in 0..<configuration.usedThreads {
            do throws(SystemError) {
                let system = try MeteredSystem(wakerToken: .loadWaker, timerToken: .loadTimer)
                mailboxes.append(Mailbox(waker: system.waker))
                systems.append(TransferBox(system))
            } catch {
                throw .system(error)
            }
            do throws(SystemError) {
                parked.append(try ParkedThread(name: "load-\(parked.count)"))
            } catch {
                throw .threadLimit(ThreadLimitError(wanted: configuration.usedThreads, cause: error))
            }
        }
        return systems.indices.map { index in
            let (system, mailbox, outbox) = (systems[index], mailboxes[index], Outbox())
            let share = configuration.share(of: index, target: target, context: context)
            let worker = parked[index].start {
                if let system = system.take() {
                    generate(configuration, share, thread: index, system, mailbox, outbox, notify: notify)
                }
                notify(.ended(thread: index))
            }
            return GeneratorThread(worker: worker, mailbox: mailbox, outbox: outbox)
        }
    }

    /// Selects the dialogue type for the mode, so that the event loop is specialized for each.
    private static func generate(
        _ configuration: LoadTest.Configuration,
        _ share: GeneratorPlan,
        thread: Int,
        _ system: consuming MeteredSystem,
        _ mailbox: Mailbox<GeneratorCommand>,
        _ outbox: Outbox,
        notify: @escaping @Sendable (GeneratorNotice) -> Void
    ) {
        func run<Load: Workload & ~Copyable>(_ system: consuming MeteredSystem, _ workload: consuming Load) {
            var generator = Generator(
                system: system,
                workload: workload,
                configuration: share,
                mailbox: mailbox,
                outbox: outbox,
                opened: { notify(.opened($0)) },
                published: { notify(.published(thread: thread)) }
            )
            generator.run()
        }
        switch configuration.mode {
        case .echo(let payload), .connect(let payload, _), .hold(let payload):
            run(system, EchoWorkload(payload, thread: thread))
        case .handshake:
            run(system, EchoWorkload(.generated(count: 0), thread: thread))
        case .request(let payload, let response):
            run(system, RequestWorkload(payload, response))
        case .bulk(let bulk):
            run(system, StreamWorkload(bulk))
        case .script(let script):
            run(system, ScriptWorkload(script, thread: thread, of: configuration.usedThreads, seed: configuration.seed))
        }
    }
}

import FakeSystem
import Glibc
import Sockets
import Support
import Testing

/// The fake system behaves like Linux: each scene runs on both, and must produce the same log.
@Suite("Fake system compared with Linux", .ownThreads, .timeLimit(.minutes(2)))
struct FidelityTests {
    enum Scene: CaseIterable {
        case connects, isRefused, receivesBytes, receivesUrgentByte, receivesFIN
        case detectsResetByPoller, detectsResetByReceive, detectsResetBySend, detectsResetAfterEnd
        case farSideClosesWithUnreadBytes, closesWithUnreadBytes, closes, aborts, bothEnd
        case fillsTheBuffer, countsTheEnd, accepts, pausesListening, closesListenerWithQueue, clientResetsInQueue
        case splices, setsLowWater, registersLate, closesWatched
    }

    @Test("both produce the same trace", arguments: Scene.allCases)
    func story(scene: Scene) throws {
        let token = Token(bits: 1)
        let linux = try whileNoProgramStarts {
            var stage = FidelityStage(system: try LinuxSystem(wakerToken: token), far: try LinuxFarSide())
            try stage.play(scene)
            return stage.story
        }
        let fake = try {
            let world = FakeWorld()
            var stage = FidelityStage(system: FakeSystem(in: world, wakerToken: token), far: FakeFarSide(world))
            try stage.play(scene)
            #expect(world.problems == [])
            #expect(world.openDescriptors == [])
            return stage.story
        }()
        #expect(fake == linux)
        #expect(!linux.isEmpty)
    }
}

import Sockets

/// Resolver of one name to servers, with a cache of the last answer to each query, which is used if the query fails. A
/// name server failure, whether for all queries of a name or some of them, therefore removes no server.
struct HostResolution: Sendable {
    typealias Ask = @Sendable (DNSQuery) async -> Result<DNSResult, DNSFailure>

    struct Outcome: Hashable, Sendable {
        /// In order of priority, then address, without duplicate addresses.
        var servers: [DiscoveredEndpoint]
        /// Lowest TTL of all answers.
        var timeToLive: Duration?
        /// Why some or all queries have no new answer.
        var failure: DNSFailure?
    }

    /// Maximum number of servers per name (`serverLimit`) and of hosts per service (`hostLimit`).
    static let serverLimit = 256
    static let hostLimit = 64
    /// Maximum number of concurrent queries.
    private static let questionLimit = 16

    private let questions: @Sendable (_ host: String) -> [DNSQuery]
    private let ask: Ask
    private var memory: [DNSQuery: DNSResult] = [:]

    init(_ resolver: DNSResolver) {
        self.init(questions: { resolver.questions(about: $0) }) { question in
            do throws(DNSFailure) {
                return .success(try await resolver.ask(question))
            } catch {
                return .failure(error)
            }
        }
    }

    init(questions: @escaping @Sendable (String) -> [DNSQuery], ask: @escaping Ask) {
        self.questions = questions
        self.ask = ask
    }

    mutating func servers(of address: ServerAddress) async -> Outcome {
        var round = Round()
        let servers =
            switch address {
            case .socket(let address):
                [DiscoveredEndpoint(address: address)]
            case .host(let host, let port):
                await addresses(of: [host], in: &round)[host, default: []].map { address in
                    DiscoveredEndpoint(address: .internet(address.with(port: port)), host: host)
                }
            case .service(let name):
                await self.servers(ofService: name, in: &round)
            }
        // Answers that were not used in this lookup are dropped, so the cache does not grow.
        memory = round.answers
        if servers.isEmpty, round.failure == nil { round.failure = .noRecords }
        return Outcome(servers: Self.ordered(servers), timeToLive: round.timeToLive, failure: round.failure)
    }

    private mutating func servers(ofService name: DNSName, in round: inout Round) async -> [DiscoveredEndpoint] {
        let answers = await self.answers(to: [.service(name)], in: &round)
        let all = answers.values.flatMap(\.services)
        let services = all.filter { $0.target != .root }
        if services.isEmpty, !all.isEmpty { round.failure = .notOffered }
        var hosts: [String] = []
        for service in services.sorted(by: Self.comesBefore) {
            let host = service.target.description
            if !hosts.contains(host), hosts.count < Self.hostLimit { hosts.append(host) }
        }
        let addresses = await addresses(of: hosts, in: &round)
        return services.flatMap { service in
            addresses[service.target.description, default: []].map { address in
                DiscoveredEndpoint(
                    address: .internet(address.with(port: service.port)),
                    host: service.target.description,
                    priority: service.priority,
                    weight: service.weight
                )
            }
        }
    }

    /// A host that has addresses of one family is resolved, also if the query for the other family, which never had any,
    /// fails: some name servers refuse the queries for IPv6.
    private func addresses(of hosts: [String], in round: inout Round) async -> [String: [InternetAddress]] {
        let asked = hosts.map { (host: $0, questions: questions($0)) }
        let failureBefore = round.failure
        let answers = await answers(to: asked.flatMap(\.questions), in: &round)
        let areResolved = asked.allSatisfy { host in
            host.questions.contains { !round.failed.contains($0) && answers[$0]?.addresses.isEmpty == false }
                && host.questions.allSatisfy { !round.failed.contains($0) || answers[$0] == nil }
        }
        if areResolved { round.failure = failureBefore }
        return Dictionary(
            asked.map { ($0.host, $0.questions.flatMap { answers[$0]?.addresses ?? [] }) },
            uniquingKeysWith: { first, _ in first }
        )
    }

    /// Returns the new answers, or the cached ones for queries that failed.
    private func answers(
        to questions: [DNSQuery],
        in round: inout Round
    ) async -> [DNSQuery: DNSResult] {
        var answers: [DNSQuery: DNSResult] = [:]
        for (question, result) in await results(of: questions) {
            switch result {
            case .success(let answer):
                answers[question] = answer
                if let time = answer.timeToLive { round.timeToLive = min(round.timeToLive ?? time, time) }
            case .failure(let failure):
                answers[question] = memory[question]
                round.failed.insert(question)
                round.failure = round.failure ?? failure
                if case .noSuchName(let time?) = failure { round.timeToLive = min(round.timeToLive ?? time, time) }
            }
        }
        round.answers.merge(answers) { _, new in new }
        return answers
    }

    private func results(
        of questions: [DNSQuery]
    ) async -> [(DNSQuery, Result<DNSResult, DNSFailure>)] {
        await withTaskGroup(of: (DNSQuery, Result<DNSResult, DNSFailure>).self) { [ask] group in
            var results: [(DNSQuery, Result<DNSResult, DNSFailure>)] = []
            for (index, question) in questions.enumerated() {
                if index >= Self.questionLimit, let result = await group.next() { results.append(result) }
                group.addTask { (question, await ask(question)) }
            }
            for await result in group { results.append(result) }
            return results
        }
    }

    private static func ordered(_ servers: [DiscoveredEndpoint]) -> [DiscoveredEndpoint] {
        var seen: Set<SocketAddress> = []
        let sorted = servers.sorted { left, right in
            (left.priority, left.address.order, right.weight ?? 0) < (
                right.priority, right.address.order, left.weight ?? 0
            )
        }
        return Array(sorted.filter { seen.insert($0.address).inserted }.prefix(serverLimit))
    }

    private static func comesBefore(_ left: DNSService, _ right: DNSService) -> Bool {
        (left.priority, right.weight, left.target.description) < (right.priority, left.weight, right.target.description)
    }

    /// State collected during one lookup.
    private struct Round {
        var answers: [DNSQuery: DNSResult] = [:]
        var timeToLive: Duration?
        var failure: DNSFailure?
        /// The queries without a new answer.
        var failed: Set<DNSQuery> = []
    }
}

extension InternetAddress {
    fileprivate func with(port: UInt16) -> InternetAddress {
        var address = self
        address.port = port
        return address
    }
}

extension SocketAddress {
    /// Sort key, so that equal sets give equal lists.
    fileprivate var order: String {
        switch self {
        case .internet(let address):
            [address.high, address.low, UInt64(address.port), UInt64(address.scope)]
                .map { String($0, radix: 16).leftPadded }.joined()
        case .unix(let path):
            path
        }
    }
}

extension String {
    fileprivate var leftPadded: String { String(repeating: "0", count: max(0, 16 - count)) + self }
}

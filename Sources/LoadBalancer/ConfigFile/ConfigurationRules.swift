package import Balancing
package import Sockets
package import TCPProxy

/// Rules about several settings, for the configuration file and the command line: what one rejects, the other rejects
/// too, with the same text. A rule returns what is wrong and how to fix it; nil if nothing is.
package enum ConfigurationRules {
    /// Error: two servers with the same address, in any spelling, or the same name.
    package struct Duplicate: Hashable, Sendable {
        /// Index of the second of the two.
        package let index: Int
        /// Index of the first.
        package let first: Int
        package let problem: Problem

        package enum Problem: Hashable, Sendable {
            case address(ServerAddress)
            case name(String)
        }

        /// - Parameter place: where the first one is, such as `on line 10`.
        package func text(firstAt place: String) -> String {
            switch problem {
            case .address(let address):
                "duplicate server \(address), first defined \(place): "
                    + "keep one, with a weight if it should get more connections"
            case .name(let name):
                "duplicate server name \(name), first used \(place): choose another name"
            }
        }
    }

    /// - Parameter servers: the servers; a value that could not be parsed is nil.
    package static func duplicates(in servers: [(address: ServerAddress?, name: String?)]) -> [Duplicate] {
        var names: [String: Int] = [:]
        var addresses: [ServerAddress: Int] = [:]
        var duplicates: [Duplicate] = []
        for (index, server) in servers.enumerated() {
            let normalized = server.address?.normalized
            if let address = server.address, let normalized, let first = addresses[normalized] {
                duplicates.append(Duplicate(index: index, first: first, problem: .address(address)))
            } else if let name = server.name, let first = names[name] {
                duplicates.append(Duplicate(index: index, first: first, problem: .name(name)))
            }
            if let normalized { addresses[normalized] = addresses[normalized] ?? index }
            if let name = server.name { names[name] = names[name] ?? index }
        }
        return duplicates
    }

    /// Error: a pool none of whose servers can get connections.
    package static func unusableServers(_ servers: [ServerSection]) -> String? {
        if servers.isEmpty { return nil }
        if servers.allSatisfy(\.backup) { return "every server is a backup: remove backup from at least one" }
        if servers.allSatisfy({ $0.weight == 0 }) {
            return "every server has weight 0, so none gets connections: set at least one to 1 or more"
        }
        return nil
    }

    /// Error: a name that could not be used in logs and metrics.
    package static func invalidName(_ name: String) -> String? {
        isName(name) ? nil : "invalid name \(quoted(name)): \(nameAdvice)"
    }

    /// Error: too many elements of a list.
    package static func tooMany(_ noun: String, _ count: Int, max: Int) -> String? {
        count <= max ? nil : "too many \(noun): \(count), at most \(max) are allowed"
    }

    /// Error: two listening addresses of one process that conflict.
    ///
    /// - Parameter owner: what uses the other address.
    package static func conflict(of address: ServiceAddress, with other: ServiceAddress, of owner: String) -> String? {
        guard address.collides(with: other) else { return nil }
        return other.normalized == address.normalized
            ? "\(other) is already used by \(owner): choose another address or port"
            : "conflicts with \(other) of \(owner), as one of them binds all interfaces: choose another port"
    }

    /// Warning: a timeout that a shorter one precludes.
    package static func deadlineWarning(_ timeouts: ListenerConfiguration.Timeouts) -> String? {
        guard let attempt = timeouts.connectAttempt, let all = timeouts.connect, attempt > all else { return nil }
        return "connect-timeout is longer than connect-deadline, which expires first: shorten connect-timeout"
    }

    /// Warning: a lifetime that is not limited and therefore not shortened.
    package static func jitterWarning(_ timeouts: ListenerConfiguration.Timeouts) -> String? {
        guard timeouts.lifetimeJitter > 0, timeouts.lifetime == nil else { return nil }
        return "lifetime-jitter has no effect without lifetime: set lifetime, or remove lifetime-jitter"
    }

    /// Warning: a dry run of limits that are not set.
    package static func dryRunWarning(_ policy: AccessPolicy) -> String? {
        guard policy.limitsDryRun, policy.maxConnections == nil, policy.maxConnectionsPerClient == nil,
            policy.rate == nil, policy.ratePerClient == nil
        else { return nil }
        return "limits-dry-run has no effect without a limit of connections or of a rate: "
            + "set a limit, or remove limits-dry-run"
    }

    /// Warning: slow start with a policy that does not compare the weights of servers, or keeps them constant because a
    /// growing weight would move clients between servers.
    package static func slowStartWarning(_ slowStart: Duration?, _ policy: BalancingPolicy) -> String? {
        guard slowStart != nil, policy.usesKey || policy == .first else { return nil }
        return "slow-start has no effect with policy \(policy.rawValue): choose another policy, or remove slow-start"
    }

    /// Warning: a queue that no connection can enter.
    package static func queueWarning(
        limit: Int,
        _ onAllDown: PoolConfiguration.OnAllDown,
        _ servers: [ServerSection]
    ) -> String? {
        guard limit > 0, onAllDown != .queue, !servers.isEmpty, servers.allSatisfy({ $0.maxConnections == nil }) else {
            return nil
        }
        return "queue has no effect because no server in this pool sets max-connections: "
            + "set it on a server, or remove queue"
    }

    /// Warning: clients that should wait in a queue that no connection can enter.
    package static func disabledQueueWarning(limit: Int, _ onAllDown: PoolConfiguration.OnAllDown) -> String? {
        guard onAllDown == .queue, limit == 0 else { return nil }
        return "the queue has a limit of 0, so clients are reset while all servers are down: raise queue.limit"
    }

    /// Warning: a health check whose timeout delays the next check.
    package static func timeoutWarning(_ timeout: Duration?, interval: Duration) -> String? {
        guard let timeout, timeout > interval else { return nil }
        return "timeout is longer than interval, so an unresponsive server is checked less often: shorten timeout"
    }
}

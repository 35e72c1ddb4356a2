import LoadBalancer
import Sockets
import TCPProxy

/// A server argument of `monkey balance`: an address, followed by comma-separated settings.
struct ServerArgument: Sendable, Equatable {
    var address: ServerAddress
    var name: String?
    var weight = Settings.weight.defaultValue
    var isBackup = Settings.backup.defaultValue
    var maxConnections = Settings.maxConnections.defaultValue

    var resolve = ServerSection.Settings.resolve.defaultValue

    private typealias Settings = ServerConfiguration.Settings

    /// Parses `10.0.0.1:5432,weight=2,max=100,name=db1,backup`.
    ///
    /// - Throws: ``CommandError``, which states the expected format.
    init(parsing text: String) throws {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        address = try ServerAddress(parsing: parts[0])
        if case .socket(.internet(let internet)) = address, internet.port == 0 {
            throw CommandError("port 0 cannot be connected to: write the port that the server listens on")
        }
        var settings: Set<String> = []
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard settings.insert(pair[0]).inserted else {
                throw CommandError("\(pair[0]) is set twice: remove one of the two")
            }
            switch (pair[0], pair.count == 2 ? pair[1] : nil) {
            case ("backup", nil): isBackup = true
            case ("resolve", let value?):
                guard let choice = ServerSection.Resolve(rawValue: value) else {
                    throw CommandError("resolve is '\(value)': write optional or required")
                }
                resolve = choice
            case ("name", let value?) where !value.isEmpty:
                if let problem = ConfigurationRules.invalidName(value) { throw CommandError(problem) }
                name = value
            case ("weight", let value?):
                weight = try Self.number(value, of: "weight", in: Settings.weight.values.numbers)
            case ("max", let value?):
                maxConnections = try Self.number(value, of: "max", in: Settings.maxConnections.values.numbers)
            default:
                throw CommandError(
                    "unknown server setting '\(part)': write weight=2, max=100, name=db1, "
                        + "resolve=required or backup"
                )
            }
            if address.isService, part.hasPrefix("weight=") {
                throw CommandError("a service's SRV records set the weights of its servers: remove \(part)")
            }
        }
    }

    private static func number(_ text: String, of name: String, in range: ClosedRange<Int>) throws -> Int {
        guard let number = Int(text), range.contains(number) else {
            throw CommandError(
                "\(name) is '\(text)': write a whole number from \(range.lowerBound) to \(range.upperBound)"
            )
        }
        return number
    }

    /// The equivalent entry of a configuration file.
    var entry: ServerSection {
        var entry = ServerSection()
        entry.address = address
        entry.name = name ?? "\(address)"
        entry.weight = weight
        entry.backup = isBackup
        entry.maxConnections = maxConnections
        entry.resolve = resolve
        return entry
    }
}

extension ValueReader where Value == ServerArgument {
    static var server: Self { Self(name: "server") { text in try ServerArgument(parsing: text) } }
}

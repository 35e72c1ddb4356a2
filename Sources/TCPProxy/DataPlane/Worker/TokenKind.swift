import Sockets

/// The meaning of the kind byte of a token.
enum TokenKind {
    case listener
    case mailbox
    case client
    /// Contains the low bits of the attempt number, which distinguish events of an abandoned attempt from those of the
    /// next one.
    case server(UInt8)

    init(_ token: Token) {
        switch token.kind {
        case 0: self = .listener
        case 1: self = .mailbox
        case 2: self = .client
        default: self = .server(token.kind & 0x7F)
        }
    }

    var rawValue: UInt8 {
        switch self {
        case .listener: 0
        case .mailbox: 1
        case .client: 2
        case .server(let attempt): 0x80 | attempt
        }
    }

    /// The token of a singleton of the worker.
    var only: Token { numbered(0) }

    /// The token of a numbered object without generations, such as a listener.
    func numbered(_ number: Int) -> Token { Token(slot: number, generation: 0, kind: rawValue) }
}

extension Dial {
    /// The low bits of the attempt number, which identify the attempt in a token.
    var tag: UInt8 { UInt8(truncatingIfNeeded: attempts) & 0x7F }
}

/// Upper bounds on consecutive work, so that other connections get their turn, and durations of pauses.
enum EchoLimits {
    /// Connections accepted per event.
    static var acceptsPerTurn: Int { 64 }
    /// Receives and sends per turn of a connection.
    static var operationsPerTurn: Int { 8 }
    /// Pause of accepting when the process is out of descriptors or memory.
    static var acceptPause: Duration { .milliseconds(100) }
    /// Maximum time that a connection closed by the server waits for the client's FIN.
    static var linger: Duration { .seconds(5) }
}

/// What a file says to send and to expect.
public struct Script: Sendable {}

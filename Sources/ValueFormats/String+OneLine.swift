extension String {
    /// The text with the characters escaped that could add a line, forge one or control a terminal: control characters,
    /// line and paragraph separators, format characters and those of private use.
    package var onOneLine: String {
        guard unicodeScalars.contains(where: \.isUnprintable) else { return self }
        return unicodeScalars.map { $0.isUnprintable ? $0.escaped(asASCII: true) : String($0) }.joined()
    }
}

extension Unicode.Scalar {
    fileprivate var isUnprintable: Bool {
        guard !(0x20...0x7E).contains(value) else { return false }
        return switch properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator, .format, .privateUse: true
        default: false
        }
    }
}

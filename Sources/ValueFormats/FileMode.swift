/// The permission bits of a file as octal digits, such as `0660`.
package enum FileMode {
    /// Parses three or four octal digits from 0000 to 0777; returns nil if the text is anything else.
    package static func parse(_ text: String) -> Int? {
        guard (3...4).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x37).contains($0) }),
            let mode = Int(text, radix: 8), mode <= 0o777
        else { return nil }
        return mode
    }

    /// Formats permission bits as four digits.
    package static func text(_ mode: Int) -> String {
        let digits = String(mode, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}

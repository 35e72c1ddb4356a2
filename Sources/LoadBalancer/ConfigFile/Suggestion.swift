/// Returns advice for an unknown word: the most similar known word, or a list of known words.
func advice(for word: String, among known: [String]) -> String {
    if let near = nearest(to: word, among: known) { return "did you mean \(near)?" }
    return "must be \(choice(of: known))"
}

/// Joins words: `a, b or c`.
func choice(of words: [String]) -> String {
    // A longer list is not useful to the reader.
    let max = 16
    guard words.count <= max else { return "\(words.prefix(max).joined(separator: ", ")) or another" }
    guard words.count > 1, let last = words.last else { return words.first ?? "nothing" }
    return "\(words.dropLast().joined(separator: ", ")) or \(last)"
}

/// Returns the most similar word; nil if none is similar.
package func nearest(to word: String, among known: [String]) -> String? {
    // A word that is much longer than all known words is not similar to any, and would take long to compare.
    guard word.utf8.count <= 64 else { return nil }
    let simple = simplified(word)
    let ranked = known.map { (word: $0, distance: editDistance(simple, simplified($0))) }
    guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
    return best.distance <= max(1, simple.count / 3) ? best.word : nil
}

/// Removes differences that do not matter: case, hyphens and underscores.
private func simplified(_ word: String) -> [UInt8] {
    word.lowercased().utf8.filter { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: "_") }
}

/// Returns the number of insertions, deletions, substitutions and transpositions of adjacent bytes (optimal string
/// alignment distance).
func editDistance(_ first: [UInt8], _ second: [UInt8]) -> Int {
    var rows = [Array(0...second.count)]
    for row in 0..<first.count {
        var next = [row + 1]
        for column in 0..<second.count {
            let isSame = first[row] == second[column]
            var least = min(
                rows[row][column] + (isSame ? 0 : 1),
                rows[row][column + 1] + 1,
                next[column] + 1
            )
            if row > 0, column > 0, first[row] == second[column - 1], first[row - 1] == second[column] {
                least = min(least, rows[row - 1][column - 1] + 1)
            }
            next.append(least)
        }
        rows.append(next)
    }
    return rows[first.count][second.count]
}

/// How many letters to insert, leave out, replace or exchange with their neighbor to make one word of another.
///
/// Source: optimal string alignment (Damerau 1964); for words as short as commands.
func edits(_ one: String, _ other: String) -> Int {
    let one = Array(one.utf8), other = Array(other.utf8.prefix(64))
    var rows = [Array(0...other.count)]
    for i in one.indices {
        var row = [i + 1]
        for j in other.indices {
            var best = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (one[i] == other[j] ? 0 : 1))
            if i > 0, j > 0, one[i] == other[j - 1], one[i - 1] == other[j] { best = min(best, rows[i - 1][j - 1] + 1) }
            row.append(best)
        }
        rows.append(row)
    }
    return rows[one.count][other.count]
}

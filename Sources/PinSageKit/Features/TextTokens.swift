/// The words of a text as the feature hasher sees them: lowercased UTF-8, one space between words, a space at either end.
///
/// A word is a run of letters, digits and combining marks of any script. Ideographs carry meaning one by one and are written without
/// spaces, so each is a word. "+" and "#" stay on the word before them where they end it ("c++", "c#", "libstdc++6"), because the names
/// of things that people collect often end so. Everything else separates words; a field boundary also separates word pairs.
///
/// A value is scratch space that is reused for text after text: filling it allocates nothing once it has grown.
struct TextTokens {
    /// What is read of one text, in bytes: a bound on the cost of hostile input, far above any title or description.
    static let maximumBytes = 1 << 16

    /// " word word word " in lowercase; fields are also divided by one space.
    private(set) var bytes: [UInt8] = []
    /// Where each scalar of `bytes` starts, and `bytes.count` at the end: character n-grams are counted in scalars, not bytes.
    private(set) var scalars: [Int32] = []
    /// The words as ranges of `scalars`, in text order, without the spaces beside them.
    private(set) var words: [Range<Int32>] = []
    /// Indices in `words` at which a new field starts: no word pair crosses one.
    private(set) var fieldStarts: [Int] = []

    /// Replaces the content by the words of `fields`.
    mutating func fill(fields: [String]) {
        bytes.removeAll(keepingCapacity: true)
        scalars.removeAll(keepingCapacity: true)
        words.removeAll(keepingCapacity: true)
        fieldStarts.removeAll(keepingCapacity: true)
        appendSpace()
        for field in fields {
            fieldStarts.append(words.count)
            append(field)
        }
        scalars.append(Int32(bytes.count))
    }

    private mutating func appendSpace() {
        scalars.append(Int32(bytes.count))
        bytes.append(0x20)
    }

    private mutating func appendASCII(_ byte: UInt8) {
        scalars.append(Int32(bytes.count))
        bytes.append(byte)
    }

    /// Ends the word that started at scalar `start`, if there is one.
    private mutating func endWord(_ start: inout Int?) {
        guard let first = start else { return }
        words.append(Int32(first)..<Int32(scalars.count))
        appendSpace()
        start = nil
    }

    private mutating func append(_ field: String) {
        var field = field
        field.withUTF8 { utf8 in
            var word: Int?
            var position = 0
            let end = min(utf8.count, Self.maximumBytes)
            while position < end {
                let byte = unsafe utf8[position]
                if byte < 0x80 {
                    let next = unsafe position + 1 < end ? utf8[position + 1] : 0
                    position += 1
                    switch byte {
                    case 0x61...0x7A, 0x30...0x39:
                        word = word ?? scalars.count
                        appendASCII(byte)
                    case 0x41...0x5A:
                        word = word ?? scalars.count
                        appendASCII(byte | 0x20)
                    case 0x2B, 0x23:  // + and #
                        let endsWord = next == byte || !Self.isASCIIWord(next) || bytes.last == byte
                        if word != nil, endsWord { appendASCII(byte) } else { endWord(&word) }
                    default:
                        endWord(&word)
                    }
                } else {
                    let (scalar, length) = unsafe Self.decode(utf8, at: position)
                    position += length
                    append(scalar, word: &word)
                }
            }
            endWord(&word)
        }
    }

    private static func isASCIIWord(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: byte >= 0x80
        }
    }

    private mutating func append(_ scalar: Unicode.Scalar, word: inout Int?) {
        let properties = scalar.properties
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber, .letterNumber, .otherNumber:
            if properties.isIdeographic {
                endWord(&word)
                word = scalars.count
                appendScalars(of: scalar)
                endWord(&word)
            } else {
                word = word ?? scalars.count
                appendScalars(of: scalar)
            }
        case .nonspacingMark, .spacingMark, .enclosingMark:
            if word != nil { appendScalars(of: scalar) }
        case .format:
            break  // soft hyphens and joiners are inside words and mean nothing to them
        default:
            endWord(&word)
        }
    }

    private mutating func appendScalars(of scalar: Unicode.Scalar) {
        for lower in scalar.properties.lowercaseMapping.unicodeScalars {
            scalars.append(Int32(bytes.count))
            bytes.append(contentsOf: UTF8.encode(lower) ?? UTF8.EncodedScalar())
        }
    }

    /// Decodes one scalar of at least two bytes. A Swift string is always valid UTF-8, so the bytes that follow are there.
    private static func decode(_ utf8: UnsafeBufferPointer<UInt8>, at position: Int) -> (Unicode.Scalar, Int) {
        let lead = unsafe UInt32(utf8[position])
        let length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2
        var value = lead & (length == 4 ? 0x07 : length == 3 ? 0x0F : 0x1F)
        for index in 1..<length { value = unsafe value << 6 | UInt32(utf8[position + index]) & 0x3F }
        return (Unicode.Scalar(value) ?? " ", length)
    }
}

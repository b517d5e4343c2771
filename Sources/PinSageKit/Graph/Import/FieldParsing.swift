/// Numbers and times in text fields.
enum FieldParsing {
    /// Seconds since 1970, or a date or date and time of ISO 8601; fractions of a second are rounded down, a time without zone is UTC.
    ///
    /// - Returns: `nil` when the field is neither.
    static func time(_ field: UnsafeBufferPointer<UInt8>) -> Int64? {
        if let seconds = unsafe seconds(field) { return seconds }
        return unsafe isoTime(field)
    }

    private static func seconds(_ field: UnsafeBufferPointer<UInt8>) -> Int64? {
        var position = 0
        let isNegative = unsafe field.first == UInt8(ascii: "-")
        if isNegative { position = 1 }
        let start = position
        var value: Int64 = 0
        while position < field.count, let digit = unsafe digit(field[position]) {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(Int64(digit))
            if overflow || carry { return nil }
            value = sum
            position += 1
        }
        guard position > start else { return nil }
        if position < field.count {
            guard unsafe field[position] == UInt8(ascii: ".") else { return nil }
            let hasFraction = unsafe field[(position + 1)...].contains { $0 != UInt8(ascii: "0") }
            guard unsafe field[(position + 1)...].allSatisfy({ digit($0) != nil }) else { return nil }
            // Towards the past, also before 1970.
            if hasFraction && isNegative { value += 1 }
        }
        return isNegative ? -value : value
    }

    @inline(__always)
    private static func digit(_ byte: UInt8) -> Int? {
        let value = Int(byte) - 0x30
        return 0...9 ~= value ? value : nil
    }

    private static func isoTime(_ field: UnsafeBufferPointer<UInt8>) -> Int64? {
        var position = 0
        func number(_ digits: Int) -> Int? {
            guard position + digits <= field.count else { return nil }
            var value = 0
            for _ in 0..<digits {
                guard let next = unsafe digit(field[position]) else { return nil }
                value = value * 10 + next
                position += 1
            }
            return value
        }
        func take(_ characters: StaticString) -> Bool {
            guard position < field.count else { return false }
            for index in 0..<characters.utf8CodeUnitCount where unsafe field[position] == characters.utf8Start[index] {
                position += 1
                return true
            }
            return false
        }
        guard let year = number(4), take("-"), let month = number(2), take("-"), let day = number(2), 1...12 ~= month else { return nil }
        let isLeap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
        let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard 1...lengths[month - 1] ~= day else { return nil }
        var seconds = daysSince1970(year, month, day) * 86_400
        if position == field.count { return Int64(seconds) }
        guard take("Tt "), let hour = number(2), take(":"), let minute = number(2), hour < 24, minute < 60 else { return nil }
        seconds += hour * 3600 + minute * 60
        if take(":") {
            // 60 is a leap second.
            guard let second = number(2), second <= 60 else { return nil }
            seconds += second
            if take(".,") {
                guard number(1) != nil else { return nil }
                while position < field.count, unsafe digit(field[position]) != nil { position += 1 }
            }
        }
        if !take("Zz") && position < field.count {
            let isEast = take("+")
            guard isEast || take("-"), let hours = number(2) else { return nil }
            _ = take(":")
            let minutes = position < field.count ? number(2) : 0
            guard let minutes, hours <= 15, minutes < 60 else { return nil }
            seconds -= (isEast ? 1 : -1) * (hours * 3600 + minutes * 60)
        }
        return position == field.count ? Int64(seconds) : nil
    }

    /// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
    private static func daysSince1970(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// A positive finite number.
    static func weight(_ field: UnsafeBufferPointer<UInt8>) -> Float? {
        if field.count <= 7, !field.isEmpty, unsafe field.allSatisfy({ digit($0) != nil }) {
            let value = unsafe field.reduce(0) { $0 * 10 + Int($1 - 0x30) }
            return value > 0 ? Float(value) : nil
        }
        guard let value = unsafe Float(String(decoding: field, as: UTF8.self)), value > 0, value.isFinite else { return nil }
        return value
    }
}

extension Graph {
    /// Reads a time as edges files may have it: seconds since 1970 or ISO 8601; `nil` for anything else.
    public static func time(parsing text: String) -> Int64? {
        var text = text
        return text.withUTF8 { unsafe FieldParsing.time($0) }
    }
}

internal import ArgumentParser

/// Shares by name, as `--collection-types` takes them: `board=0.7,list=0.3`.
struct TypeShareList: ExpressibleByArgument {
    let shares: [String: Double]

    /// `nil` for another form, a share that is no number from 0 on, and a name that comes twice.
    init?(argument: String) {
        var shares: [String: Double] = [:]
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            // The last one: a name may have an equals sign, a number has none.
            guard let equals = part.lastIndex(of: "="), equals > part.startIndex, let share = Double(part[part.index(after: equals)...]),
                share >= 0, share.isFinite, shares.updateValue(share, forKey: String(part[..<equals])) == nil
            else { return nil }
        }
        self.shares = shares
    }
}

extension Graph {
    /// The collections whose edge to a pair's positive says that it is one: the pair's own, and those that hold all members of it, ascending.
    ///
    /// A list that holds all of a section has the positive because the section has it. Were only the section's edge hidden, the label could be
    /// read off the list. Of a collection with many members some are looked at; a few chance findings among tiny collections do no harm.
    ///
    /// - Complexity: O(degrees of both items), and O(log degree) for each member looked at
    func labelCollections(of pair: PositivePair) -> [CollectionID] {
        let members = collections.range(of: Int(pair.collection.row))
        let step = max(1, members.count / Self.mostMembersLookedAt)
        return sharedCollections(of: pair.query, and: pair.positive).filter { collection in
            collection == pair.collection
                || stride(from: members.lowerBound, to: members.upperBound, by: step).allSatisfy { position in
                    contains(ItemID(row: collections.targets[position]), in: collection)
                }
        }
    }

    private static let mostMembersLookedAt = 32
}

// Public imports: a conformance of a public type to a public protocol is public, whatever module it stands in.
public import ArgumentParser
public import PinSageKit

extension InstructionSet: ExpressibleByArgument {}
extension LossKind: ExpressibleByArgument {}
extension Pooling: ExpressibleByArgument {}
extension QueryPooling: ExpressibleByArgument {}
extension IndexStorage: ExpressibleByArgument {}
extension HNSWConfiguration.Metric: ExpressibleByArgument {}
extension LatentType: ExpressibleByArgument {}
extension ElementType: ExpressibleByArgument {}
extension ExportFormat: ExpressibleByArgument {}

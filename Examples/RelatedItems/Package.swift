// swift-tools-version: 6.0
import PackageDescription

// An app of its own that depends on a version of PinSageKit. scripts/check-example builds it against a tagged clone of this checkout;
// an app elsewhere writes the address it cloned from.
let package = Package(
    name: "RelatedItems",
    platforms: [.macOS(.v15)],
    dependencies: [.package(url: Context.environment["PINSAGEKIT_URL"] ?? "../..", from: "0.1.0")],
    targets: [
        .executableTarget(
            name: "RelatedItems", dependencies: [.product(name: "PinSageKit", package: "PinSageKit")], path: "Sources")
    ])

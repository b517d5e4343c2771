internal import PinSageKit

people-without-robot = No robot
people-disabled = Disabled
people-left = Left the tenant
people-takes-part = Active
people-standing = Status
people-unknown = Nobody in this tenant has this username: { $names }

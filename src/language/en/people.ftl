people-without-robot = No robot
people-disabled = Disabled
people-left = Left the tenant
people-takes-part = Active
people-standing = Status
people-unknown = Not members of this tenant: { $names }

"""What would be lost: recorded requests against a model that they have not met, and questions to the vendors.

requests   recorded requests, as they are written down     check   what each would lose at each target
probes     what is asked of a vendor, one field at a time  evidence   what it answered, dated and kept
"""

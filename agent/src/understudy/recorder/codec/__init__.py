"""What the bytes of each codec say of themselves: NAL unit types, parameter sets. Pure; nothing is decoded."""

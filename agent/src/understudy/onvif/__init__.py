"""ONVIF (F11), the parts that commissioning needs: discovery, credential test, stream and clock. Knows no recorder."""

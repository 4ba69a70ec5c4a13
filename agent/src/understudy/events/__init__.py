"""Event rules, incidents, notifications (S18, S57-S65, F08). Decisions are pure; `service.py` is the process."""

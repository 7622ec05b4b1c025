"""Drivers: everything that touches hardware, behind the contracts in drivers.api. Never imports agent."""

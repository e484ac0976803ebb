"""MANY AT ONCE: a study plays plans in many versions of the world, and keeps every answer."""

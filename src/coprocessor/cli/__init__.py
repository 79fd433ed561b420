"""The command ``phat``. Each command is a module of ``commands``, loaded only when it is called."""

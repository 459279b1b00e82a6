"""The networks: all that imports torch, and runs only where AWS's PyTorch image is, or ``.venv-tft``."""

"""The published vectors of ``vectors/*.json``: how they are made, and that the code agrees with every one of them."""

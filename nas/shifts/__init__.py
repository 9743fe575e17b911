"""Changes of the appearance of pictures that leave their content as it is."""

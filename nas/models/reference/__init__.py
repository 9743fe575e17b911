"""Parts of reference networks: networks that papers and libraries publish, beside the cells that are found here."""

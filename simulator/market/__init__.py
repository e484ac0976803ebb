"""The rules: auctions, contracts, audiences and products, arrays in and arrays out."""

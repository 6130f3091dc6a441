"""Write the generated parts of docs/ from the code and from facts kept here."""
